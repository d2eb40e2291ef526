// SPDX-License-Identifier: GPL-2.0-or-later

// Echo over TLS inside one process: echo CERTIFICATE KEY KEYLOG [wrapped]
// Four connections at once each send "N:" 3000 times and read it back in pieces into a buffer on
// the stack of a fresh goroutine. Prints "N PORT" of each. wrapped: crypto/tls gets a net.Conn of
// a type of its own.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
)

const size = 3000 * 2

type wrapper struct {
	before int
	net.Conn
}

var wrapped = len(os.Args) > 4

// The clients and their servers: what a call has sent is only seen when it returns.
var group sync.WaitGroup

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func dress(connection net.Conn) net.Conn {
	if wrapped {
		return &wrapper{4711, connection}
	}
	return connection
}

func serve(listener net.Listener, config *tls.Config) {
	for {
		connection, err := listener.Accept()
		check(err)
		go func() {
			defer group.Done()
			session := tls.Server(dress(connection), config)
			var buffer [4096]byte
			for {
				n, err := session.Read(buffer[:])
				if err != nil {
					break
				}
				_, err = session.Write(buffer[:n])
				check(err)
			}
			session.Close()
		}()
	}
}

//go:noinline
func readPieces(session *tls.Conn, wanted int) string {
	var buffer [1024]byte
	text := ""
	for len(text) < wanted {
		n, err := session.Read(buffer[:])
		text += string(buffer[:n])
		if err == io.EOF {
			break
		}
		check(err)
	}
	return text
}

func ask(number int, address string, config *tls.Config) {
	connection, err := net.Dial("tcp", address)
	check(err)
	session := tls.Client(dress(connection), config)
	body := strings.Repeat(fmt.Sprintf("%d:", number), 3000)
	_, err = session.Write([]byte(body))
	check(err)
	result := make(chan string)
	go func() { result <- readPieces(session, len(body)) }()
	if <-result != body {
		panic("not what was sent")
	}
	fmt.Println(number, connection.LocalAddr().(*net.TCPAddr).Port)
	session.Close()
}

func main() {
	certificate, err := tls.LoadX509KeyPair(os.Args[1], os.Args[2])
	check(err)
	keys, err := os.Create(os.Args[3])
	check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go serve(listener, &tls.Config{Certificates: []tls.Certificate{certificate}})
	config := &tls.Config{InsecureSkipVerify: true, KeyLogWriter: keys}
	for number := 0; number < 4; number++ {
		group.Add(2)
		go func(number int) {
			defer group.Done()
			ask(number, listener.Addr().String(), config)
		}(number)
	}
	group.Wait()
}
