package unpack_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// repeat repeats token up to n bytes, behind head.
func repeat(head, token string) func(n int) []byte {
	return func(n int) []byte {
		return []byte(head + strings.Repeat(token, max(1, (n-len(head))/len(token))))
	}
}

const mixedHeader = mailHeader + "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

// hostile are inputs of n bytes that cost a naive reader more than linear time.
var hostile = map[string]func(n int) []byte{
	"boundaries":             repeat(mixedHeader, "--b\n"),
	"closing boundaries":     repeat(mixedHeader, "--b--\n"),
	"almost boundaries":      repeat(mixedHeader+"--b\n", "\n--bb"),
	"boundaries of one line": repeat(mixedHeader+"--b\n", "--b"),
	"empty lines":            repeat(mixedHeader+"--b\n", "\n"),
	"headers":                repeat(mailHeader, "A: b\n"),
	"folded header":          repeat(mailHeader+"Content-Type: a\n", " b\n"),
	"no headers":             repeat(mailHeader, "a\n"),
	"header of one line":     repeat(mailHeader+"X: ", "a"),
	"parameters":             repeat(mailHeader+"Content-Type: multipart/x", ";a=b"),
	"parameter quotes":       repeat(mailHeader+"Content-Type: multipart/x; b=", `"\`),
	"parameter pieces":       repeat(mailHeader+"Content-Type: multipart/x", ";boundary*0=b"),
	"part headers":           repeat(mixedHeader+"--b\n", "A: b\n"),
	"multiparts":             repeat(mailHeader, "Content-Type: multipart/mixed; boundary=b\n\n--b\n"),
	"multiparts, guessed":    repeat(mailHeader, "Content-Type: multipart/mixed\n\n--b\n"),
	"mails in mails":         repeat(mailHeader, "Content-Type: message/rfc822\n\n"),
	"base64 junk":            repeat(mailHeader+"Content-Transfer-Encoding: base64\n\n", "!"),
	"base64 junk lines":      repeat(mailHeader+"Content-Transfer-Encoding: base64\n\n", "AAAA!\n"),
	"base64 with junk":       repeat(mailHeader+"Content-Transfer-Encoding: base64\n\n", "AAAAAAAAAAAAAAAAAAA!"),
	"base64 padding":         repeat(mailHeader+"Content-Transfer-Encoding: base64\n\n", "AA="),
	"quoted-printable":       repeat(mailHeader+"Content-Transfer-Encoding: quoted-printable\n\n", "="),
	"soft line breaks":       repeat(mailHeader+"Content-Transfer-Encoding: quoted-printable\n\n", "=\n"),
	"spaces in lines":        repeat(mailHeader+"Content-Transfer-Encoding: quoted-printable\n\n", "  \n"),
	"envelope lines":         repeat("From x\nFrom: a\n", "\n\nFrom x\n"),
	"almost envelope lines":  repeat("From x\nFrom: a\n\n", "From :: "),
	"mails in an mbox":       repeat("", "From x 00:00:00\nFrom: a\nTo: b\n\n"),
	"quoted lines":           repeat("From x\nFrom: a\n\n", ">From \n"),
	"white space":            repeat("", " \n"),
	"nul":                    repeat("", "\x00"),
	"tags":                   repeat("", "<a>"),
	"comments":               repeat("", "<!-- -->"),
	"brackets":               repeat("", "["),
	"gzip members":           repeat("", string(gz(nil))),
	"gzip members of a byte": repeat("", string(gz([]byte(" ")))),
	"gzip name":              repeat("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03", "a"),
	"gzip junk":              repeat(string(gz(report("A"))), "\x1f\x8b\x07"),
	"zip headers":            repeat("", zipLocalHeader("a", 0)),
	"zip directories":        repeat("", zipLocalHeader("a/", 8)),
	"zip descriptors":        repeat(zipLocalHeader("a", 8), "PK\x07\x08"),
	"zip ends":               repeat(zipLocalHeader("a", 0), "PK\x05\x06\x00\x00\x00\x00"),
	"zip entries":            zipEntries,
	"zip overlapping":        zipOverlapping,
	"tar headers":            func(n int) []byte { return bytes.Repeat(tarred(file{"d/", nil, false})[:512], n/512) },
}

func zipLocalHeader(name string, flags byte) string {
	return "PK\x03\x04\x14\x00" + string(flags) + strings.Repeat("\x00", 19) + string(rune(len(name))) + "\x00\x00\x00" + name
}

// zipEntries is a directory of directories.
func zipEntries(n int) []byte {
	e := []byte("PK\x01\x02" + strings.Repeat("\x00", 24) + "\x01" + strings.Repeat("\x00", 17) + "/")
	local := []byte(zipLocalHeader("/", 0))
	return zipEndOf(append(local, bytes.Repeat(e, n/len(e))...), len(local), n/len(e))
}

// zipOverlapping has as many members as are allowed, all with the same long data.
func zipOverlapping(n int) []byte {
	const members = 50
	data := bytes.Repeat([]byte{0, 0xff, 0x7f, 0, 0x80}, 1) // a stored block of 32 KiB
	data = append(data, bytes.Repeat([]byte(" "), 0x7fff)...)
	data = bytes.Repeat(data, n/len(data))
	var dir []byte
	for range members {
		e := make([]byte, 46)
		copy(e, "PK\x01\x02")
		e[10] = 8
		binary.LittleEndian.PutUint32(e[20:], uint32(len(data)))
		dir = append(dir, e...)
	}
	return zipEndOf(append([]byte(zipLocalHeader("", 0)), append(data, dir...)...), len(data)+len(zipLocalHeader("", 0)), members)
}

// zipEndOf appends the end record; the directory starts at offset.
func zipEndOf(b []byte, offset, entries int) []byte {
	e := make([]byte, 22)
	copy(e, "PK\x05\x06")
	binary.LittleEndian.PutUint16(e[8:], uint16(entries))
	binary.LittleEndian.PutUint16(e[10:], uint16(entries))
	binary.LittleEndian.PutUint32(e[12:], uint32(len(b)-offset))
	binary.LittleEndian.PutUint32(e[16:], uint32(offset))
	return append(b, e...)
}

// TestHostileTime finds that eight times the input costs about eight times the
// time: a quadratic path costs 64 times as much.
func TestHostileTime(t *testing.T) {
	const n, factor, most = 1 << 19, 8, 24
	for name, input := range hostile {
		part, whole := input(n/factor), input(n)
		var small, big time.Duration
		for range 3 { // the machine may be busy with other things
			small = cpu(func() { walkAll(bytes.NewReader(part), unpack.Limits{}) })
			big = cpu(func() { walkAll(bytes.NewReader(whole), unpack.Limits{}) })
			if big < most*small || big < 100*time.Millisecond {
				break
			}
		}
		if testing.Verbose() {
			t.Logf("%-24s %8.1f MB/s, %v, %v", name, float64(len(whole))/big.Seconds()/1e6, small, big)
		}
		if big > most*small && big > 100*time.Millisecond {
			t.Errorf("%s: %v for %d bytes, %v for %d", name, small, len(part), big, len(whole))
		}
	}
}

// cpu measures the processor time of f.
func cpu(f func()) time.Duration {
	before := usage()
	f()
	return usage() - before
}

func usage() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(fmt.Sprint("getrusage: ", err))
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
