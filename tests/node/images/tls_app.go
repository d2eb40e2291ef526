// SPDX-License-Identifier: GPL-2.0-or-later

// HTTPS server and client in Go, for a test image: HTTP/1.1 and HTTP/2 by what the client asks.
//
//	tls_app serve PORT                with /tls/server.pem and .key
//	tls_app get ADDRESS PORT PATH...  HTTP/1.1, one connection
//	tls_app h2 ADDRESS PORT PATH...   HTTP/2, one connection
//
// The same paths as tls_app.py. KEYLOG names the file for Config.KeyLogWriter.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"io/ioutil"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
)

func body(size int) []byte {
	all := make([]byte, size)
	for i := range all {
		at := i % 65536
		all[i] = byte(at*31 + (at>>8)*17 + size)
	}
	return all
}

func number(path string) int {
	value, err := strconv.Atoi(strings.Split(path, "/")[2])
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func answer(response http.ResponseWriter, request *http.Request) {
	posted, err := ioutil.ReadAll(request.Body)
	if err != nil {
		return
	}
	path := request.URL.Path
	content := []byte(fmt.Sprintf("answer to %s\n", path))
	if strings.HasPrefix(path, "/bytes/") {
		content = body(number(path))
	} else if strings.HasPrefix(path, "/post/") {
		content = []byte(fmt.Sprintf("%x", sha256.Sum256(posted)))
	} else if path == "/api/payment" {
		content = []byte("{\"status\": \"accepted\"}\n")
	}
	response.Header().Set("Content-Type", "text/plain")
	response.Header().Set("Content-Length", strconv.Itoa(len(content)))
	response.Write(content)
}

func keyLog() io.Writer {
	name := os.Getenv("KEYLOG")
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0600)
	if err != nil {
		log.Fatal(err)
	}
	return file
}

func get(config *tls.Config, h2 bool, address, port string, paths []string) {
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: h2}
	client := &http.Client{Transport: transport}
	for _, path := range paths {
		method, posted := "GET", []byte(nil)
		if strings.HasPrefix(path, "/post/") {
			method, posted = "POST", body(number(path))
		}
		url := "https://" + address + ":" + port + path
		request, err := http.NewRequest(method, url, bytes.NewReader(posted))
		if err != nil {
			log.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			log.Fatal(err)
		}
		content, err := ioutil.ReadAll(response.Body)
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		fmt.Printf("%x %s\n", sha256.Sum256(content), path)
	}
	transport.CloseIdleConnections()
}

func main() {
	config := &tls.Config{KeyLogWriter: keyLog()}
	action, words := os.Args[1], os.Args[2:]
	if action != "serve" {
		config.InsecureSkipVerify = true
		get(config, action == "h2", words[0], words[1], words[2:])
		return
	}
	server := &http.Server{Addr: ":" + words[0], Handler: http.HandlerFunc(answer),
		TLSConfig: config}
	log.Fatal(server.ListenAndServeTLS("/tls/server.pem", "/tls/server.key"))
}
