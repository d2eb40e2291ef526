// SPDX-License-Identifier: GPL-2.0-or-later
// HTTPS server and client in node, for a test image: HTTP/1.1 and HTTP/2 by what the client asks.
//
//     node tls_app.js serve PORT                with /tls/server.pem and .key
//     node tls_app.js get ADDRESS PORT PATH...  HTTP/1.1, one connection
//     node tls_app.js h2 ADDRESS PORT PATH...   HTTP/2, one connection
// The same paths as tls_app.py.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http2 = require('http2');
const https = require('https');

function body(size)
{
	const bytes = Buffer.alloc(size);
	for (let i = 0; i < size; i++)
		bytes[i] = (i % 65536) * 31 + ((i % 65536) >> 8) * 17 + size;
	return bytes;
}

function sha256(bytes)
{
	return crypto.createHash('sha256').update(bytes).digest('hex');
}

function posts(path)
{
	return path.startsWith('/post/') ? body(Number(path.split('/')[2])) : undefined;
}

function answer(request, response)
{
	const pieces = [];

	request.on('data', (piece) => pieces.push(piece));
	request.on('end', () => {
		let content = `answer to ${request.url}\n`;
		if (request.url.startsWith('/bytes/'))
			content = body(Number(request.url.split('/')[2]));
		else if (request.url.startsWith('/post/'))
			content = sha256(Buffer.concat(pieces));
		else if (request.url === '/api/payment')
			content = '{"status": "accepted"}\n';
		response.setHeader('Content-Type', 'text/plain');
		response.setHeader('Content-Length', Buffer.byteLength(content));
		response.end(content);
	});
}

function serve(port)
{
	const options = {
		cert: fs.readFileSync('/tls/server.pem'),
		key: fs.readFileSync('/tls/server.key'),
		allowHTTP1: true,
	};
	http2.createSecureServer(options, answer).listen(Number(port), '0.0.0.0');
}

function get(address, port, paths)
{
	const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
	const next = (rest) => {
		if (!rest.length)
			return agent.destroy();
		const posted = posts(rest[0]);
		const options = { host: address, port, path: rest[0], agent,
				  method: posted ? 'POST' : 'GET' };
		const request = https.request(options, (response) => {
			const pieces = [];
			response.on('data', (piece) => pieces.push(piece));
			response.on('end', () => {
				console.log(sha256(Buffer.concat(pieces)), rest[0]);
				next(rest.slice(1));
			});
		});
		request.end(posted);
	};
	next(paths);
}

function h2(address, port, paths)
{
	const session = http2.connect(`https://${address}:${port}`, { rejectUnauthorized: false });
	let open = paths.length;
	for (const path of paths) {
		const posted = posts(path), pieces = [];
		const stream = session.request({ ':path': path, ':method': posted ? 'POST' : 'GET' });
		stream.on('data', (piece) => pieces.push(piece));
		stream.on('end', () => {
			console.log(sha256(Buffer.concat(pieces)), path);
			if (!--open)
				session.close();
		});
		stream.end(posted);
	}
}

const [action, ...words] = process.argv.slice(2);
if (action === 'serve')
	serve(words[0]);
else
	(action === 'get' ? get : h2)(words[0], words[1], words.slice(2));
