package redis

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// fakeRedis answers commands in RESP2 with what handle returns.
type fakeRedis struct {
	addr   string
	handle func(args []string) string

	mu       sync.Mutex
	commands []string // first words of what was asked
}

// newFakeRedis starts a server on loopback that ends with the test.
func newFakeRedis(t testing.TB, handle func(args []string) string) *fakeRedis {
	t.Helper()
	f := &fakeRedis{handle: handle}
	f.addr = realtest.Listen(t, f.serve)
	return f
}

func (f *fakeRedis) serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	for {
		args, err := readCommand(r)
		if err != nil {
			return
		}
		f.mu.Lock()
		f.commands = append(f.commands, strings.ToUpper(args[0]))
		f.mu.Unlock()
		if _, err := io.WriteString(conn, f.handle(args)); err != nil {
			return
		}
	}
}

// count returns how often a command was asked for.
func (f *fakeRedis) count(name string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.commands {
		if c == name {
			n++
		}
	}
	return n
}

// readCommand reads an array of strings.
func readCommand(r *bufio.Reader) ([]string, error) {
	n, err := readLength(r)
	if err != nil {
		return nil, err
	}
	args := make([]string, n)
	for i := range args {
		size, err := readLength(r)
		if err != nil {
			return nil, err
		}
		b := make([]byte, size+2)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		args[i] = string(b[:size])
	}
	return args, nil
}

func readLength(r *bufio.Reader) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimRight(line[1:], "\r\n"))
}

// bulk returns s as a bulk string.
func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

// array returns replies as an array.
func array(replies ...string) string {
	return fmt.Sprintf("*%d\r\n%s", len(replies), strings.Join(replies, ""))
}

// bulks returns strings as an array.
func bulks(words ...string) string {
	for i, w := range words {
		words[i] = bulk(w)
	}
	return array(words...)
}

// unknown is what servers say to a command they do not know.
func unknown(args []string) string {
	return fmt.Sprintf("-ERR unknown command '%s', with args beginning with: '%s' \r\n", args[0], strings.Join(args[1:], "' '"))
}
