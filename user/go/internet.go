// Go's net package over the loopback: its poller is edge-triggered epoll, and its connections never block.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

// serve answers each line with itself, turned around.
func serve(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			lines := bufio.NewScanner(connection)
			for lines.Scan() {
				line := []byte(lines.Text())
				for i, j := 0, len(line)-1; i < j; i, j = i+1, j-1 {
					line[i], line[j] = line[j], line[i]
				}
				if _, err := connection.Write(append(line, '\n')); err != nil {
					return
				}
			}
		}()
	}
}

func streams(network, address string) {
	listener, err := net.Listen(network, address)
	check(err)
	go serve(listener)
	var wait sync.WaitGroup
	var lock sync.Mutex
	total := 0
	for client := 0; client < 50; client++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			connection, err := net.Dial(network, listener.Addr().String())
			check(err)
			defer connection.Close()
			answers := bufio.NewReader(connection)
			for round := 0; round < 20; round++ {
				fmt.Fprintf(connection, "%03d:%03d\n", client, round)
				answer, err := answers.ReadString('\n')
				check(err)
				lock.Lock()
				total += len(answer)
				lock.Unlock()
			}
		}()
	}
	wait.Wait()
	fmt.Println(network, "bytes answered:", total)
	connection, err := net.Dial(network, listener.Addr().String())
	check(err)
	connection.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, err = connection.Read(make([]byte, 1))
	var timeout net.Error
	fmt.Println("deadline:", errors.As(err, &timeout) && timeout.Timeout())
	connection.(*net.TCPConn).CloseWrite()
	connection.SetReadDeadline(time.Time{})
	rest, err := io.ReadAll(connection)
	fmt.Println("end:", len(rest), err)
	listener.Close()
	_, err = net.Dial(network, listener.Addr().String())
	fmt.Println("refused:", errors.Is(err, syscall.ECONNREFUSED))
}

func datagrams() {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	check(err)
	client, err := net.Dial("udp", server.LocalAddr().String())
	check(err)
	fmt.Fprint(client, "letter")
	bytes := make([]byte, 100)
	count, from, err := server.ReadFrom(bytes)
	check(err)
	fmt.Println("datagram:", string(bytes[:count]), from.String() == client.LocalAddr().String())
	_, err = server.WriteTo([]byte("answer"), from)
	check(err)
	count, err = client.Read(bytes)
	check(err)
	fmt.Println("datagram:", string(bytes[:count]))
}

func main() {
	streams("tcp4", "127.0.0.1:0")
	streams("tcp6", "[::1]:0")
	streams("tcp", ":0")
	datagrams()
	_, err := net.DialTimeout("tcp", "10.1.2.3:80", time.Second)
	fmt.Println("unreachable:", errors.Is(err, syscall.ENETUNREACH))
}
