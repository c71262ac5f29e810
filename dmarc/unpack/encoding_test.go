package unpack_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// bzipped is report("A") as bzip2, which the standard library cannot write.
const bzipped = "QlpoOTFBWSZTWXU92EcAAFFfgFAQUAP/5+EABgC/79/gQAG9zsDQwGjIaDCAaAaaAAGqn6p7KNBNNMCYmJkYBMQGp6ETKaNGgZqAAAAAqkTFMp" +
	"5Gk9CegpoAANG1LhxCQikIlD6W+uPlxl1z3q/l+pdII0VrjnFJmazsInNS8GoWl8o03U4eC59qMyILdRbNS9aGUEhyFAc8AhKqg79OcT85J6Vq" +
	"nv2k75Lpl2XyjNJHwJDU2Xsua2ERGUWswqvzp2xykYP8Lg6OoISAwofAY3/xNRmj1eLuYqXxyO705XJTuWjtGGKtvUulacqprrLWooo71rKXCa" +
	"bZ1JcW50aOLcnOUtzq5Msucp8GEMJtHl1qbnd6HMxxwVcL0m9tW2ecORepTRZze5qmcPCrB4KKNYm03vE6GrqZLqpaJF9GTtMpaUolJRaLl1HZ" +
	"7cFm3I1ZGEavZFnPnfEXODBnGGyWzDdGw4FqylthRWEcRXgFIhQCD+KQDCYZouZwlYRfQm+KnK8URiSrbGEM2q8ookTzVWZbDRMxL2DzuTPfxP" +
	"+LuSKcKEg6nuwjgA=="

// uuencoded writes b as uuencode does.
func uuencoded(b []byte, zero byte) string {
	var s strings.Builder
	s.WriteString("begin 644 r.xml\n")
	for ; len(b) > 0; b = b[min(45, len(b)):] {
		line := b[:min(45, len(b))]
		s.WriteByte(byte(len(line)) + ' ')
		for i := 0; i < len(line); i += 3 {
			var v [3]byte
			copy(v[:], line[i:])
			for _, six := range []byte{v[0] >> 2, v[0]<<4&63 | v[1]>>4, v[1]<<2&63 | v[2]>>6, v[2] & 63} {
				if six += ' '; six == ' ' {
					six = zero
				}
				s.WriteByte(six)
			}
		}
		s.WriteByte('\n')
	}
	return s.String() + string(zero) + "\nend\n"
}

// TestEncodings has the containers and encodings that are rarely seen.
func TestEncodings(t *testing.T) {
	bz, err := base64.StdEncoding.DecodeString(bzipped)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(bz)
	damaged[len(bz)/2] ^= 1
	a := gz(report("A"))
	crcrlf := bytes.ReplaceAll(mixed(attachment("application/gzip", a)), []byte("\r\n"), []byte("\r\r\n"))
	// Bytes of which the alphabets differ.
	url := base64.URLEncoding.EncodeToString(report("\u07ff\u07ff???>>>\u07ff"))
	uu := func(body string) []byte { return mixed(entity("Content-Transfer-Encoding: X-UUencode", body)) }
	stray := strings.Replace(uuencoded(a, '`'), "\nM", "\nmangled by a gateway\nM", 1)
	runQuirks(t, []quirk{
		{"bzip2", bz, "aggregate A"},
		{"bzip2 in a gzip in a mail", mixed(attachment("application/gzip", gz(bz))), "aggregate A"},
		{"bzip2 of two streams", cat(bz, bz), "aggregate A without its line end\naggregate A"},
		{"bzip2 with junk", cat(bz, []byte("\r\n-- ")), "aggregate A !gzip_trailing_junk"},
		{"bzip2 cut", bz[:len(bz)-20], "refused truncated"},
		{"bzip2 damaged", damaged, "refused corrupt"},
		{"text that starts as bzip2", []byte("BZhello"), "error not_a_report"},
		{"mail-crcrlf", crcrlf, "aggregate A"},
		{"mail-uuencode", uu(uuencoded(a, '`')), "aggregate A"},
		{"uuencode with spaces", uu(uuencoded(a, ' ')), "aggregate A"},
		{"uuencode behind text", uu("See below.\n\n" + uuencoded(a, '`')), "aggregate A"},
		{"uuencode without white space at the end", uu(strings.ReplaceAll(uuencoded(append(gz(report("A")), 0, 0)[:len(a)], ' '), " \n", "\n")), "aggregate A"},
		{"uuencode that is not declared", []byte(uuencoded(a, '`')), "aggregate A !encoding_undeclared"},
		{"uuencode with a line of text", uu(stray), "aggregate A !uuencode_invalid"},
		{"uuencode of nothing", uu("no file\n"), "error not_a_report"},
		{"base64-url", mixed(entity("Content-Transfer-Encoding: base64", url)), "aggregate U"},
	}, map[string][]byte{"A without its line end": bytes.TrimSpace(report("A")), "U": report("\u07ff\u07ff???>>>\u07ff")})
	if !strings.ContainsAny(url, "-_") {
		t.Error("the report has no digit of the alphabet for URLs")
	}
}

// TestUnsupported names the format in what it refuses.
func TestUnsupported(t *testing.T) {
	for want, in := range map[string]string{
		"an xz file": "\xfd7zXZ\x00\x00\x04", "a 7z archive": "7z\xbc\xaf\x27\x1c\x00\x04", "a rar archive": "Rar!\x1a\x07\x00",
		"a zstd file": "\x28\xb5\x2f\xfd\x04", "Outlook": "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "TNEF": "\x78\x9f\x3e\x22",
	} {
		got := ""
		_ = unpack.Walk(strings.NewReader(in+" and so on"), unpack.Limits{}, func(d *unpack.Document) error {
			got = fmt.Sprint(d.Err)
			return nil
		})
		if !strings.HasPrefix(got, "unsupported: ") || !strings.Contains(got, want) {
			t.Errorf("got %q, want %s", got, want)
		}
	}
}

// TestBzip2Limit holds what bzip2 may unpack to far below what gzip may.
func TestBzip2Limit(t *testing.T) {
	bz, err := base64.StdEncoding.DecodeString(bzipped)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(report("A")))
	for unpacked, want := range map[int64]string{8 * size: "aggregate A", 8*size - 1: "refused too_large"} {
		if got := transcript(t, bytes.NewReader(bz), unpack.Limits{Unpacked: unpacked}, documents); got != want {
			t.Errorf("Unpacked of %d: got %s, want %s", unpacked, got, want)
		}
	}
}
