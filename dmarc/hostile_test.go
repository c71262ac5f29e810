package dmarc

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostileTokens are repeated to megabytes inside of a report, each in its place.
var hostileTokens = map[string]struct{ before, token, after string }{
	"open tags":         {"", "<a>", ""},
	"empty elements":    {"", "<a/>", ""},
	"empty records":     {"", "<record/>", ""},
	"angles":            {"", "<", ""},
	"angles in value":   {"<version>", "< ", "</version>"},
	"ampersands":        {"<version>", "&", "</version>"},
	"references":        {"<version>", "&amp;", "</version>"},
	"open comments":     {"", "<!--", ""},
	"comments":          {"", "<!---->", ""},
	"open sections":     {"<version>", "<![CDATA[", ""},
	"sections":          {"<version>", "<![CDATA[]]>", "</version>"},
	"section ends":      {"<version>", "]]>", "</version>"},
	"instructions":      {"", "<?p?>", ""},
	"open instructions": {"", "<?p ", ""},
	"white space":       {"", " \n", ""},
	"stray text":        {"", "x", ""},
	"NULs":              {"", "\x00", ""},
	"NULs in value":     {"<version>", "\x00", "</version>"},
	"invalid UTF-8":     {"<version>", "\xff", "</version>"},
	"attributes":        {"<record ", "a='' ", "/>"},
	"namespaces":        {"<record ", "xmlns:a='' ", "/>"},
	"open quotes":       {"<record ", "a='", ""},
	"end tags":          {"", "</version>", ""},
	"document types":    {"", "<!D>", ""},
	"open subset":       {"", "<!DOCTYPE [", ""},
	"signatures":        {"<record><auth_results>", "<dkim/>", "</auth_results></record>"},
	"nested in value":   {"<version>", "<a></a>", "</version>"},
	"unknown subtree":   {"<x>", "<a b='c'>t</a>", "</x>"},
	"errors":            {"<report_metadata>", "<error>e</error>", "</report_metadata>"},
	"duplicates":        {"<policy_published>", "<p>none</p>", "</policy_published>"},
	"after the end":     {"</feedback>", "<x>", ""},
	"comments after":    {"</feedback>", "<!---->", ""},
}

func hostileDoc(name string, size int) []byte {
	h := hostileTokens[name]
	return []byte(`<feedback><report_metadata><org_name>o</org_name><report_id>i</report_id><date_range><begin>1795305600</begin><end>1795391999</end></date_range></report_metadata><policy_published><domain>d.example</domain></policy_published>` +
		h.before + strings.Repeat(h.token, size/len(h.token)) + h.after + "</feedback>")
}

// TestHostileTokens reads 64 KiB of each token and twice as many: the time
// must not grow faster than the document (a square would take four times as
// long), and memory not at all. BenchmarkHostile measures more closely.
func TestHostileTokens(t *testing.T) {
	const size = 64 << 10
	for name := range hostileTokens {
		t.Run(name, func(t *testing.T) {
			one, two := hostileDoc(name, size), hostileDoc(name, 2*size)
			var factor float64
			for range 5 { // Other processes disturb the measurement: one good try will do.
				a, b := hostileTime(t, one), hostileTime(t, two)
				if factor = float64(b) / float64(max(a, 4*time.Millisecond)); factor <= 3.5 {
					return
				}
			}
			t.Errorf("twice the document takes %.1f times as long", factor)
		})
	}
}

func hostileTime(t *testing.T, doc []byte) time.Duration {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d := NewDecoder(bytes.NewReader(doc))
	start := cpuTime(t)
	var rec Record
	for {
		err := d.Next(&rec)
		if err == nil {
			continue
		}
		var refused *Error
		if !errors.Is(err, io.EOF) && !errors.As(err, &refused) {
			t.Fatal(err)
		}
		break
	}
	used := cpuTime(t) - start
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 24<<20 {
		t.Errorf("%d MiB were allocated", grown>>20)
	}
	return used
}

// hostileShapes are reports that are honest in form and as unlike each other,
// or as unlike other reports, as can be.
var hostileShapes = map[string]func(n int) []byte{
	"random white space": func(n int) []byte {
		i := 0
		return reshape(n, func(b []byte) []byte {
			i = (i*7 + 3) % 31
			return append(b, strings.Repeat(" ", i)...)
		})
	},
	"unique strings": func(n int) []byte {
		i := 0
		return bytes.ReplaceAll(replaceEach(largeReport(n, prettyStyle), "shop.example</", func() string {
			i++
			return fmt.Sprintf("shop%d.example</", i)
		}), []byte("<selector>s"), []byte("<selector>x"))
	},
	"attributes": func(n int) []byte {
		return bytes.ReplaceAll(largeReport(n, prettyStyle), []byte("<domain>"), []byte(`<domain a="1" b='>'>`))
	},
	"unknown elements": func(n int) []byte {
		return bytes.ReplaceAll(largeReport(n, prettyStyle), []byte("<row>"), []byte(`<x:y xmlns:x="urn:x"><x:z>1</x:z></x:y><row>`))
	},
	"prefixes": func(n int) []byte {
		b := bytes.ReplaceAll(largeReport(n, prettyStyle), []byte("<"), []byte("<d:"))
		b = bytes.ReplaceAll(b, []byte("<d:/"), []byte("</d:"))
		b = bytes.Replace(b, []byte("<d:?xml"), []byte("<?xml"), 1)
		return bytes.Replace(b, []byte("<d:feedback>"), []byte(`<d:feedback xmlns:d="urn:ietf:params:xml:ns:dmarc-2.0">`), 1)
	},
	"upper case": func(n int) []byte {
		return bytes.ReplaceAll(largeReport(n, prettyStyle), []byte("shop.example</"), []byte("SHOP.EXAMPLE</"))
	},
	"one record": func(n int) []byte {
		dkim := "<dkim><domain>a.example</domain><result>pass</result></dkim>"
		return bytes.Replace(largeReport(1, prettyStyle), []byte("<spf>\n"), []byte(strings.Repeat(dkim, n*500/len(dkim))+"<spf>\n"), 1)
	},
	"one comment": func(n int) []byte {
		return bytes.Replace(largeReport(1, prettyStyle), []byte("<record>"), []byte("<!--"+strings.Repeat("x - ", n*125)+"--><record>"), 1)
	},
}

// reshape appends something behind every start of a line.
func reshape(n int, add func([]byte) []byte) []byte {
	var out []byte
	for _, line := range bytes.SplitAfter(largeReport(n, prettyStyle), []byte("\n")) {
		out = append(add(out), line...)
	}
	return bytes.TrimLeft(out, " ")
}

func replaceEach(b []byte, old string, replacement func() string) []byte {
	var out []byte
	for {
		before, after, ok := bytes.Cut(b, []byte(old))
		out = append(out, before...)
		if !ok {
			return out
		}
		out = append(out, replacement()...)
		b = after
	}
}

// streamYardstick reads doc with encoding/xml as a stream: one record at a time.
func streamYardstick(doc []byte) error {
	x := xml.NewDecoder(bytes.NewReader(doc))
	for {
		token, err := x.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "record" {
			var r yardRecord
			if err := x.DecodeElement(&r, &start); err != nil {
				return err
			}
		}
	}
}

// BenchmarkHostile compares the Decoder on each hostile shape with encoding/xml as
// a stream.
func BenchmarkHostile(b *testing.B) {
	const n = 4000
	names := make([]string, 0, len(hostileShapes))
	for name := range hostileShapes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			one, two := hostileShapes[name](n), hostileShapes[name](2*n)
			d, rec := new(Decoder), new(Record)
			read := func(doc []byte) float64 {
				start := cpuTime(b)
				for range 10 {
					if _, err := readDecoder(d, rec, doc); err != nil {
						b.Fatal(err)
					}
				}
				return float64(cpuTime(b)-start) / 10
			}
			var ratios, speeds, growth []float64
			for b.Loop() {
				t1, t2 := read(one), read(two)
				start := cpuTime(b)
				if err := streamYardstick(two); err != nil {
					b.Fatal(err)
				}
				ratios = append(ratios, float64(cpuTime(b)-start)/t2)
				growth = append(growth, t2/t1)
				speeds = append(speeds, float64(len(two))/t2*1000)
			}
			for name, v := range map[string][]float64{"x-encoding/xml": ratios, "t(2n)/t(n)": growth, "MB/s": speeds} {
				slices.Sort(v)
				b.ReportMetric(v[len(v)/2], name)
			}
		})
	}
}
