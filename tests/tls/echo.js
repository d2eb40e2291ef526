// SPDX-License-Identifier: GPL-2.0-or-later
// Echo over TLS inside one process: node echo.js CERTIFICATE KEY
// Three connections at once each send "N:" 3000 times and read it back. Prints "N PORT" of each.
"use strict";
const fs = require("fs"), tls = require("tls");
const [certificate, key] = process.argv.slice(2).map((name) => fs.readFileSync(name));
let open = 3;

const server = tls.createServer({ cert: certificate, key }, (socket) => socket.pipe(socket));

function ask(number) {
	const body = `${number}:`.repeat(3000);
	const options = { ca: certificate, servername: "localhost", port: server.address().port };
	const socket = tls.connect(options, () => socket.write(body));
	let received = "";

	socket.on("data", (data) => {
		received += data;
		if (received.length < body.length)
			return;
		console.log(number, socket.localPort);
		socket.end();
		if (received !== body)
			process.exit(1);
		if (--open === 0)
			server.close();
	});
}

server.listen(0, "127.0.0.1", () => [0, 1, 2].forEach(ask));
