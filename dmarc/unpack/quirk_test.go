package unpack_test

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

type quirk struct {
	name  string
	input []byte
	want  string
}

// documents are what the inputs of the tables below are made of.
var documents = map[string][]byte{
	"A": report("A"), "B": report("B"), "C": report("C"), "T": []byte(tlsReport),
	"A16": utf16le(report("A")),
}

// runQuirks runs a table whose inputs hold documents and extra ones.
func runQuirks(t *testing.T, quirks []quirk, extra ...map[string][]byte) {
	t.Helper()
	all := maps.Clone(documents)
	for _, e := range extra {
		maps.Copy(all, e)
	}
	for _, q := range quirks {
		t.Run(q.name, func(t *testing.T) {
			known := all
			if strings.HasPrefix(q.want, "failure whole") {
				known = map[string][]byte{"whole": q.input}
			}
			if diff := cmp.Diff(q.want, transcript(t, bytes.NewReader(q.input), unpack.Limits{}, known)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			// The same must come out however the bytes come in.
			for name, r := range map[string]func() string{
				"one byte": func() string {
					return transcript(t, iotest.OneByteReader(bytes.NewReader(q.input)), unpack.Limits{}, known)
				},
				"half": func() string {
					return transcript(t, iotest.HalfReader(bytes.NewReader(q.input)), unpack.Limits{}, known)
				},
				"data with error": func() string {
					return transcript(t, iotest.DataErrReader(bytes.NewReader(q.input)), unpack.Limits{}, known)
				},
			} {
				if got := r(); got != q.want {
					t.Errorf("%s reader: got %q, want %q", name, got, q.want)
				}
			}
		})
	}
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestStreams(t *testing.T) {
	a, zipA := gz(report("A")), zlibbed(report("A"))
	badCRC := bytes.Clone(a)
	badCRC[len(a)-8] ^= 1
	badSize := bytes.Clone(a)
	badSize[len(a)-1] ^= 1
	badAdler := bytes.Clone(zipA)
	badAdler[len(zipA)-1] ^= 1
	half := len(report("A")) / 2
	flags := []byte{0x1f, 0x8b, 8, 4 | 8 | 16 | 2, 0, 0, 0, 0, 0, 3, 2, 0, 'x', 'y', 'n', 0, 'c', 0, 0, 0}
	runQuirks(t, []quirk{
		{"plain", report("A"), "aggregate A"},
		{"utf-16", utf16le(report("A")), "aggregate A16"},
		{"json", []byte(tlsReport), "tls T"},
		{"gzip", a, "aggregate A"},
		{"gzip-crlf", cat(a, []byte("\r\n")), "aggregate A !gzip_trailing_junk"},
		{"gzip with junk behind", cat(a, []byte("-- \nfooter")), "aggregate A !gzip_trailing_junk"},
		{"gzip with half a magic behind", cat(a, []byte{0x1f, 0x8b}), "aggregate A !gzip_trailing_junk"},
		{"gzip behind an empty line", cat([]byte("\r\n"), a), "aggregate A !leading_junk"},
		{"gzip-multimember", cat(gz(report("A")[:half]), gz(report("A")[half:])), "aggregate A"},
		{"gzip with empty members", cat(gz(nil), gz(nil), a, gz(nil)), "aggregate A"},
		{"gzip-truncated", a[:len(a)-8], "aggregate A !gzip_no_trailer"},
		{"gzip with half a trailer", a[:len(a)-3], "aggregate A !gzip_no_trailer"},
		{"gzip-cut", a[:len(a)-20], "aggregate fails truncated"},
		{"gzip cut in the second member", cat(gz(report("A")[:half]), a[:40]), "aggregate fails truncated"},
		{"gzip cut in its header", a[:7], "refused truncated"},
		{"gzip-crc", badCRC, "aggregate fails corrupt"},
		{"gzip size", badSize, "aggregate fails corrupt"},
		{"gzip with every header field", cat(flags, a[10:]), "aggregate A"},
		{"gzip cut in a header field", flags[:12], "refused truncated"},
		{"gzip with reserved flags", cat([]byte{0x1f, 0x8b, 8, 0x80, 0, 0, 0, 0, 0, 3}, a[10:]), "refused corrupt"},
		{"gzip of nonsense", cat(a[:10], []byte("\xff\xff\xff\xff\xff")), "refused corrupt"},
		{"gzip-double", gz(a), "aggregate A"},
		{"gzip-double with a wrong inner checksum", gz(badCRC), "aggregate fails corrupt"},
		{"gzip-double, outer cut", gz(a)[:len(gz(a))-12], "aggregate fails truncated"},
		{"gzip of a TLS report", gz([]byte(tlsReport)), "tls T"},
		{"zlib", zipA, "aggregate A"},
		{"zlib checksum", badAdler, "aggregate fails corrupt"},
		{"zlib without checksum", zipA[:len(zipA)-4], "aggregate A !gzip_no_trailer"},
		{"zlib with junk", cat(zipA, []byte("\r\n")), "aggregate A !gzip_trailing_junk"},
		{"text that looks like zlib", []byte("x^2 + y^2 = z^2"), "error not_a_report"},
		{"empty", nil, "error empty"},
		{"white space", []byte(" \r\n\t\n"), "error empty"},
		{"much white space", cat(bytes.Repeat([]byte(" \n"), 40000), report("A")), "aggregate A !leading_junk"},
		{"gzip of nothing", gz(nil), "error empty"},
		{"gzip of white space", gz(bytes.Repeat([]byte(" "), 9000)), "error empty"},
		{"unused", []byte("unused"), "error not_a_report"},
		{"html in gzip", gz([]byte("<!DOCTYPE html><html><body>404</body></html>")), "error not_a_report"},
		{"other xml", []byte("<?xml version='1.0'?><rss><channel/></rss>"), "error not_a_report"},
		{"other json", []byte(`{"hello": "world"}`), "error not_a_report"},
		{"leading-junk", cat([]byte("Here it is:\n"), report("A")), "aggregate A !leading_junk"},
		{"bare base64", []byte(b64(a)), "aggregate A !encoding_undeclared"},
		{"bzip2 of nothing but its start", []byte("BZh91AY&SY"), "refused truncated"},
		{"outlook message", []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and so on"), "refused unsupported"},
		{"winmail.dat", []byte("\x78\x9f\x3e\x22 and so on"), "refused unsupported"},
		{"pgp", []byte("-----BEGIN PGP MESSAGE-----\n\nhQEM"), "refused encrypted"},
	})
}

func TestUnsureXML(t *testing.T) {
	long := strings.Repeat("<!-- a long comment -->\n", 400)
	for _, tc := range []struct{ name, input, want string }{
		{"no declaration", "<feedback></feedback>", "aggregate"},
		{"upper case", "<FEEDBACK></FEEDBACK>", "aggregate"},
		{"prefix", `<d:feedback xmlns:d="x"></d:feedback>`, "aggregate"},
		{"no root", `<?xml version="1.0"?><version>1.0</version><report_metadata/>`, "aggregate"},
		{"schema tag", `<?xml version="1.0"?>"<xs:schema xmlns:xs="x"><feedback>`, "aggregate"},
		{"byte order mark", "\xef\xbb\xbf<feedback/>", "aggregate"},
		{"root out of sight", "<?xml version='1.0'?>" + long + "<feedback/>", "aggregate"},
		{"root out of sight behind a document type", "<!DOCTYPE feedback [" + strings.Repeat("<!ENTITY a 'b'>", 400) + "]><feedback/>", "aggregate"},
		{"html with a long comment", "<!DOCTYPE html>" + long, "error not_a_report"},
		{"other root with a long comment", "<rss>" + long, "error not_a_report"},
		{"json out of sight", "{\"" + strings.Repeat("a", 5000) + "\": 1}", "tls"},
		{"json with other keys", `{"` + strings.Repeat(`a": 1, "`, 1000) + `": 1}`, "error not_a_report"},
		{"json with nothing in sight", strings.Repeat("[", 5000), "tls"},
		{"long text behind a bracket", "[EXTERNAL] " + strings.Repeat("Beware of what strangers write. ", 200), "error not_a_report"},
		{"rich text", `{\rtf1 ` + strings.Repeat("x", 5000) + "}", "error not_a_report"},
		{"byte order mark and json", "\xef\xbb\xbf\r\n" + tlsReport + "\x00", "tls"},
	} {
		got := transcript(t, strings.NewReader(tc.input), unpack.Limits{}, map[string][]byte{"": []byte(tc.input)})
		got, _, _ = strings.Cut(got, " unknown")
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestArchives(t *testing.T) {
	a, b := file{"a.xml", report("A"), false}, file{"b.xml", report("B"), false}
	plain := zipped(a)
	crc := bytes.Clone(zipped(file{"a.xml", report("A"), true}))
	crc[60] ^= 1
	encrypted := bytes.Clone(plain)
	setFlag(encrypted, 1)
	method := bytes.Clone(plain)
	setMethod(method, 9)
	noDirectory := plain[:bytes.Index(plain, []byte("PK\x01\x02"))]
	brokenEntry := bytes.Clone(zipped(a, b))
	copy(brokenEntry[bytes.LastIndex(brokenEntry, []byte("PK\x01\x02")):], "XX")
	lostMember := bytes.Clone(zipped(a, b))
	copy(lostMember[bytes.LastIndex(lostMember, []byte("PK\x03\x04")):], "XX")
	badTar := tarred(a, b)
	badTar[(len(badTar)-1024)/2+20] ^= 1 // the header of the second member
	runQuirks(t, []quirk{
		{"zip", plain, "aggregate A"},
		{"zip stored", zipped(file{"a.xml", report("A"), true}), "aggregate A"},
		{"zip-two", zipped(a, b), "aggregate A\naggregate B"},
		{"zip-dir", zipped(file{"reports/", nil, true}, file{"reports/a.xml", report("A"), false}), "aggregate A"},
		{"zip-noname", zipped(file{"", report("A"), false}), "aggregate A"},
		{"zip-macosx", zipped(file{"__MACOSX/._a.xml", []byte("\x00\x05\x16\x07"), false}, a), "aggregate A !member_skipped"},
		{"zip with a table behind", zipped(a, file{"a.csv", []byte("ip,count\n192.0.2.1,2\n"), false}), "aggregate A !member_skipped"},
		{"zip-prefix", cat([]byte("junk\r\n\r\n"), plain), "aggregate A !zip_prefix"},
		{"zip behind an empty line", cat([]byte("\r\n"), plain), "aggregate A !leading_junk"},
		{"zip-suffix", cat(plain, []byte("\r\njunk")), "aggregate A !zip_suffix"},
		{"zip-gz", zipped(file{"a.xml.gz", gz(report("A")), true}), "aggregate A"},
		{"zip in zip", zipped(file{"x.zip", zipped(a, b), true}), "aggregate A\naggregate B"},
		{"zip with a mail", zipped(file{"m.eml", mixed(attachment("application/gzip", gz(report("A")))), false}), "aggregate A"},
		{"zip-empty", zipped(), "error empty"},
		{"zip of empty files", zipped(file{"a", nil, false}, file{"b", []byte("\r\n"), false}), "error empty"},
		{"zip of an executable", zipped(file{"invoice.exe", []byte("MZ\x90\x00"), false}), "error not_a_report"},
		{"zip-crc", crc, "refused corrupt"},
		{"zip deflated with a wrong checksum", flip(plain, bytes.Index(plain, []byte("PK\x01\x02"))+16), "aggregate fails corrupt"},
		{"zip deflated with a wrong size", flip(plain, bytes.Index(plain, []byte("PK\x01\x02"))+24), "aggregate fails corrupt"},
		{"zip encrypted", encrypted, "refused encrypted"},
		{"zip one of two encrypted", func() []byte { z := zipped(a, b); setFlag(z, 1); return z }(), "refused encrypted\naggregate B"},
		{"zip with another method", method, "refused unsupported"},
		{"zip without a directory", noDirectory, "aggregate A !zip_no_directory"},
		{"zip without a directory, stored", dropDirectory(zipped(file{"a.xml", report("A"), true}, b)), "aggregate A !zip_no_directory\naggregate B !zip_no_directory"},
		{"zip cut", plain[:200], "aggregate fails truncated !zip_no_directory"},
		{"zip cut in its second member", dropDirectory(zipped(a, b))[:len(plain)+100], "aggregate A !zip_no_directory\naggregate fails truncated !zip_no_directory"},
		{"zip stored and cut", zipped(file{"a.xml", report("A"), true})[:200], "refused truncated"},
		{"zip with a broken entry", brokenEntry, "aggregate A !zip_no_directory\naggregate B !zip_no_directory"},
		{"zip with a lost member", lostMember, "aggregate A\nrefused corrupt"},
		{"zip with overlapping members", zipOverlapping(1 << 16), "refused corrupt"},
		{"zip of nonsense", []byte("PK\x03\x04nonsense"), "error empty"},
		{"wrong-ext", zipped(file{"a.zip", gz(report("A")), false}), "aggregate A"},
		{"tar", tarred(a, b), "aggregate A\naggregate B"},
		{"tar.gz", gz(tarred(file{"d/", nil, false}, a, file{"readme", []byte("hello"), false})), "aggregate A !member_skipped"},
		{"tar cut", tarred(a, b)[:2700], "aggregate A\nrefused truncated"},
		{"tar without its end", tarred(a)[:2048], "aggregate A"},
		{"tar with a broken header", badTar, "aggregate A\nrefused corrupt"},
		{"tar.gz with a wrong checksum", flip(gz(tarred(a)), len(gz(tarred(a)))-8), "refused corrupt"},
		{"tar of zip of gzip", tarred(file{"x", zipped(file{"y", gz(report("A")), true}), false}), "aggregate A"},
	})
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// setFlag and setMethod change the first member, in both its headers.
func setFlag(z []byte, flag byte) {
	z[6] |= flag
	z[bytes.Index(z, []byte("PK\x01\x02"))+8] |= flag
}

func setMethod(z []byte, method byte) {
	z[8] = method
	z[bytes.Index(z, []byte("PK\x01\x02"))+10] = method
}

func dropDirectory(z []byte) []byte { return z[:bytes.Index(z, []byte("PK\x01\x02"))] }
