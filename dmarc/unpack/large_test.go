package unpack_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// zip64 makes a stored archive whose numbers stand in zip64 fields.
func zip64(f file) []byte {
	le := binary.LittleEndian
	local := make([]byte, 30)
	copy(local, "PK\x03\x04")
	le.PutUint16(local[26:], uint16(len(f.name)))
	z := append(append(local, f.name...), f.data...)
	offset := len(z)
	extra := le.AppendUint16(nil, 0x7777) // another field first
	extra = le.AppendUint16(extra, 2)
	extra = append(extra, 0, 0)
	extra = le.AppendUint16(extra, 1)
	extra = le.AppendUint16(extra, 24)
	for _, v := range []int{len(f.data), len(f.data), 0} {
		extra = le.AppendUint64(extra, uint64(v))
	}
	e := make([]byte, 46)
	copy(e, "PK\x01\x02")
	le.PutUint32(e[16:], crcOf(f.data))
	le.PutUint32(e[20:], 0xffffffff)
	le.PutUint32(e[24:], 0xffffffff)
	le.PutUint16(e[28:], uint16(len(f.name)))
	le.PutUint16(e[30:], uint16(len(extra)))
	le.PutUint32(e[42:], 0xffffffff)
	z = append(append(append(z, e...), f.name...), extra...)
	end64 := make([]byte, 56)
	copy(end64, "PK\x06\x06")
	le.PutUint64(end64[40:], uint64(len(z)-offset))
	le.PutUint64(end64[48:], uint64(offset))
	z = append(z, end64...)
	z = append(z, "PK\x06\x07"+strings.Repeat("\x00", 16)...)
	end := make([]byte, 22)
	copy(end, "PK\x05\x06")
	le.PutUint32(end[12:], 0xffffffff)
	le.PutUint32(end[16:], 0xffffffff)
	return append(z, end...)
}

// crcOf returns the checksum that gzip writes behind b.
func crcOf(b []byte) uint32 {
	z := gz(b)
	return binary.LittleEndian.Uint32(z[len(z)-8:])
}

func TestRareForms(t *testing.T) {
	z64 := zip64(file{name: "a.xml", data: report("A")})
	brokenExtra := bytes.Clone(z64)
	brokenExtra[bytes.Index(z64, []byte{0x77, 0x77})+2] = 0xff
	binaryTar := tarred(file{"a.xml", report("A"), false})
	copy(binaryTar[124:136], "\x80\x00\x00\x00")
	binary.BigEndian.PutUint64(binaryTar[128:], uint64(len(report("A"))))
	fixChecksum(binaryTar)
	attributes := tarred(file{"a.xml", []byte("path=x"), false})
	attributes[156] = 'x'
	fixChecksum(attributes)
	a := report("A")
	be := bytes.Clone(utf16le(a))
	for i := 0; i+1 < len(be); i += 2 {
		be[i], be[i+1] = be[i+1], be[i]
	}
	headers := strings.Repeat("X-A: "+strings.Repeat("a", 70)+"\r\n", 20000)
	runQuirks(t, []quirk{
		{"zip64", z64, "aggregate A"},
		{"zip64 with a broken extra field", brokenExtra, "refused corrupt"},
		{"tar with binary numbers", binaryTar, "aggregate A"},
		{"tar with attributes", cat(attributes[:1024], tarred(file{"a.xml", a, false})), "aggregate A"},
		{"tar with an old directory", cat(tarred(file{"d/", nil, false})[:512], tarred(file{"a.xml", a, false})), "aggregate A"},
		{"tar cut in a header", tarred(file{"a.xml", a, false}, file{"b", a, false})[:1536+100], "aggregate A\nrefused truncated"},
		{"utf-16 big endian", be, "aggregate be"},
		{"utf-16 without a mark", be[2:], "aggregate be2"},
		{"utf-16 without a mark, little endian", utf16le(a)[2:], "aggregate le2"},
		{"utf-16 of something else", utf16le([]byte("hello world")), "error not_a_report"},
		{"header too long", []byte(mailHeader + headers + "\r\n"), "refused too_large"},
		{"part header too long", mixed(headers+"\r\n", attachment("application/gzip", gz(a))), "refused too_large"},
	}, map[string][]byte{"be": be, "be2": be[2:], "le2": utf16le(a)[2:]})
}

func fixChecksum(tar []byte) {
	copy(tar[148:156], "        ")
	sum := 0
	for _, c := range tar[:512] {
		sum += int(c)
	}
	copy(tar[148:156], []byte{'0' + byte(sum>>15&7), '0' + byte(sum>>12&7), '0' + byte(sum>>9&7), '0' + byte(sum>>6&7), '0' + byte(sum>>3&7), '0' + byte(sum&7), 0, ' '})
}

// TestLargeMails has mails that do not fit the look-ahead.
func TestLargeMails(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	picture := make([]byte, 3<<19)
	for i := 0; i < len(picture); i += 8 {
		binary.LittleEndian.PutUint64(picture[i:], rnd.Uint64())
	}
	picture[0] = 0x89
	gzA, gzB := attachment("application/gzip", gz(report("A"))), attachment("application/gzip", gz(report("B")))
	big := append(report("A"), bytes.Repeat([]byte("<!-- padding -->\n"), 20_000)...)
	withPicture := mixed(attachment("image/png", picture), gzA)
	text := mixed(entity("Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable", strings.Repeat("=C3=A4 =\r\n", 10_000)), gzA)
	envelope := "From x Tue Dec  1 04:00:00 2026\r\n"
	for _, tc := range []struct {
		name   string
		input  []byte
		limits unpack.Limits
		want   string
	}{
		{"picture before the report", withPicture, unpack.Limits{}, "aggregate A"},
		{"text before the report", text, unpack.Limits{}, "aggregate A"},
		{"mail in gzip", gz(withPicture), unpack.Limits{}, "aggregate A"},
		{"zip in gzip", gz(zipped(file{"p.png", picture, true}, file{"a", report("A"), true})), unpack.Limits{}, "aggregate A !member_skipped"},
		{"large report in base64", mixed(attachment("text/xml", big)), unpack.Limits{}, "aggregate big"},
		{"large report in quoted-printable", mixed(entity("Content-Transfer-Encoding: quoted-printable", strings.ReplaceAll(string(big), "=", "=3D"))), unpack.Limits{}, "aggregate big"},
		{
			"mbox with a mail that is too long", []byte(envelope + string(mixed(gzA)) + "\r\n" + envelope + string(withPicture) + "\r\n" + envelope + string(mixed(gzB))),
			unpack.Limits{Memory: 1 << 20},
			"aggregate A\nrefused too_large\naggregate B",
		},
		{"mbox that ends with a mail that is too long", []byte(envelope + string(withPicture)), unpack.Limits{Memory: 1 << 20}, "refused too_large"},
		{"mbox of large mails", []byte(strings.Repeat(envelope+string(withPicture)+"\r\n", 3)), unpack.Limits{}, "aggregate A\naggregate A\naggregate A"},
		{"mbox of many mails", []byte(strings.Repeat(envelope+string(mixed(gzA))+"\r\n"+envelope+"\r\n", 300)), unpack.Limits{}, strings.TrimSpace(strings.Repeat("aggregate A\n", 300))},
		{"mail that is too long", withPicture, unpack.Limits{Memory: 1 << 20}, "refused too_large"},
	} {
		known := map[string][]byte{"A": report("A"), "B": report("B"), "big": big}
		if diff := cmp.Diff(tc.want, transcript(t, bytes.NewReader(tc.input), tc.limits, known)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tc.name, diff)
		}
	}
}

// TestSizeIsExpected walks a large mail whose size is known: that takes the mail
// and the steps before it, not the bound of all mails.
func TestSizeIsExpected(t *testing.T) {
	mail := mixed(attachment("image/png", make([]byte, 6<<20)))
	walker := unpack.NewWalker(unpack.Limits{Memory: 256 << 20})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := walker.Walk(bytes.NewReader(mail), func(*unpack.Document) error { return nil }); err == nil {
		t.Error("a picture is a report")
	}
	runtime.ReadMemStats(&after)
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(4*len(mail)); got > most {
		t.Errorf("%d bytes allocated for a mail of %d, want at most %d", got, len(mail), most)
	}
}

// TestLarge asks before much memory is taken, once, and not for what is small.
func TestLarge(t *testing.T) {
	walker := unpack.NewWalker(unpack.Limits{})
	asked, answer := 0, error(nil)
	walker.Large = func() error {
		asked++
		return answer
	}
	walk := func(mail []byte) error {
		return walker.Walk(bytes.NewReader(mail), func(*unpack.Document) error { return nil })
	}
	noise := make([]byte, 5<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	large := mixed(attachment("application/gzip", gz(report("A"))), attachment("image/png", noise))
	for _, tc := range []struct {
		name string
		mail []byte
		want int
	}{
		{"small", mixed(attachment("application/gzip", gz(report("A")))), 0},
		{"large", large, 1},
		{"small and packed", gz(large), 1},
		{"mbox", append([]byte("From a@b.example Sat Nov 28 00:00:00 2026\n"), large...), 1},
	} {
		asked = 0
		if _ = walk(tc.mail); asked != tc.want {
			t.Errorf("%s: asked %d times, want %d", tc.name, asked, tc.want)
		}
	}
	answer = errors.New("no")
	var refused *dmarc.Error
	if err := walk(large); !errors.As(err, &refused) || refused.Reason != dmarc.ReasonIO || !errors.Is(err, answer) {
		t.Errorf("got %v, want an error of the input with the answer in it", err)
	}
}

func TestEnvelopeLines(t *testing.T) {
	a := strings.ReplaceAll(string(mixed(attachment("application/gzip", gz(report("A"))))), "\r\n", "\n")
	for _, tc := range []struct {
		between string
		want    int
	}{
		{"\nFrom x@y.example Tue Dec  1 04:00:00 2026\n", 2},
		{"From x@y.example Tue Dec  1 04:00:00 2026\n", 2},
		{"From \"a:b:c\"@y.example Tue Dec  1 04:00:00 2026\n", 2},
		{"\nFrom x\n", 2},
		{"From here on: it is text\n", 1},
		{"\nFrom here on it is text\n\n", 1},
	} {
		mails := map[string]bool{}
		err := unpack.Walk(strings.NewReader("From x\n"+a+tc.between+a), unpack.Limits{}, func(d *unpack.Document) error {
			mail, _, _ := strings.Cut(d.Name, "/")
			mails[mail] = true
			return d.Err
		})
		if err != nil || len(mails) != tc.want {
			t.Errorf("%q: documents in %v, error %v, want %d mails", tc.between, mails, err, tc.want)
		}
	}
}
