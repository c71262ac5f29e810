package nginx

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// setReceiveBuffer asks for a buffer of size bytes, by force where the process
// may, and returns what it got.
func setReceiveBuffer(conn net.PacketConn, size int) (int, error) {
	granted := 0
	err := control(conn, func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size); err != nil {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size); err != nil {
				return err
			}
		}
		got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
		granted = got / 2 // the kernel doubles what is asked for, for its own book-keeping
		return err
	})
	return granted, err
}

// control runs f on the file descriptor of conn.
func control(conn net.PacketConn, f func(fd int) error) error {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return fmt.Errorf("%T has no file descriptor", conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// drops returns how many datagrams the kernel has thrown away for want of
// buffer space. ok is false where the kernel does not count them: unix
// sockets, whose writer is refused instead.
func (d *datagrams) drops() (n uint64, ok bool) {
	if _, udp := d.conn.(*net.UDPConn); !udp {
		return 0, false
	}
	var inode uint64
	err := control(d.conn, func(fd int) error {
		var stat unix.Stat_t
		err := unix.Fstat(fd, &stat)
		inode = stat.Ino
		return err
	})
	if err != nil {
		return 0, false
	}
	for _, path := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		if n, ok := dropsIn(path, inode); ok {
			return n, true
		}
	}
	return 0, false
}

// dropsIn looks a socket up in a table of /proc/net: inode is the tenth
// column, drops the last.
func dropsIn(path string, inode uint64) (uint64, bool) {
	file, err := os.Open(path)
	if err != nil {
		return 0, false
	}
	defer file.Close()
	want := strconv.FormatUint(inode, 10)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 13 || fields[9] != want {
			continue
		}
		n, err := strconv.ParseUint(fields[12], 10, 64)
		return n, err == nil
	}
	return 0, false
}
