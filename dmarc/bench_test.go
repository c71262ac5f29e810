package dmarc

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
)

// yardstick is an aggregate report in the structs that every Go program
// writes first: what encoding/xml does with them is the measure.
type yardstick struct {
	XMLName  xml.Name `xml:"feedback"`
	Version  string   `xml:"version"`
	Metadata struct {
		OrgName  string `xml:"org_name"`
		Email    string `xml:"email"`
		Contact  string `xml:"extra_contact_info"`
		ReportID string `xml:"report_id"`
		Range    struct {
			Begin int64 `xml:"begin"`
			End   int64 `xml:"end"`
		} `xml:"date_range"`
		Errors []string `xml:"error"`
	} `xml:"report_metadata"`
	Policy struct {
		Domain    string `xml:"domain"`
		ADKIM     string `xml:"adkim"`
		ASPF      string `xml:"aspf"`
		P         string `xml:"p"`
		SP        string `xml:"sp"`
		NP        string `xml:"np"`
		Pct       *int   `xml:"pct"`
		Testing   string `xml:"testing"`
		Discovery string `xml:"discovery_method"`
	} `xml:"policy_published"`
	Records []yardRecord `xml:"record"`
}

type yardRecord struct {
	Row struct {
		Source    string `xml:"source_ip"`
		Count     int64  `xml:"count"`
		Evaluated struct {
			Disposition string `xml:"disposition"`
			DKIM        string `xml:"dkim"`
			SPF         string `xml:"spf"`
			Reasons     []struct {
				Type    string `xml:"type"`
				Comment string `xml:"comment"`
			} `xml:"reason"`
		} `xml:"policy_evaluated"`
	} `xml:"row"`
	Identifiers struct {
		HeaderFrom   string `xml:"header_from"`
		EnvelopeFrom string `xml:"envelope_from"`
		EnvelopeTo   string `xml:"envelope_to"`
	} `xml:"identifiers"`
	Auth struct {
		DKIM []struct {
			Domain   string `xml:"domain"`
			Selector string `xml:"selector"`
			Result   string `xml:"result"`
			Human    string `xml:"human_result"`
		} `xml:"dkim"`
		SPF []struct {
			Domain string `xml:"domain"`
			Scope  string `xml:"scope"`
			Result string `xml:"result"`
			Human  string `xml:"human_result"`
		} `xml:"spf"`
	} `xml:"auth_results"`
}

func (y *yardstick) messages() (n int64) {
	for i := range y.Records {
		n += y.Records[i].Row.Count
	}
	return n
}

// readYardstick decodes doc with encoding/xml.
func readYardstick(doc []byte) (int64, error) {
	var y yardstick
	err := xml.NewDecoder(bytes.NewReader(doc)).Decode(&y)
	return y.messages(), err
}

// readDecoder decodes doc with d, which is used again and again as in a program.
func readDecoder(d *Decoder, rec *Record, doc []byte) (messages int64, err error) {
	d.Reset(bytes.NewReader(doc))
	for {
		err := d.Next(rec)
		if errors.Is(err, io.EOF) {
			return messages, nil
		}
		if err != nil {
			return 0, err
		}
		messages += rec.Count
	}
}

// readParse decodes doc into memory, as encoding/xml does.
func readParse(doc []byte) (messages int64, err error) {
	r, err := Parse(bytes.NewReader(doc))
	if err != nil {
		return 0, err
	}
	for i := range r.Records {
		messages += r.Records[i].Count
	}
	return messages, nil
}

var benchShapes = []struct {
	name    string
	records int
	style   style
}{
	{"pretty-100k", 100_000, prettyStyle},
	{"compact-100k", 100_000, compactStyle},
	{"pretty-10", 10, prettyStyle},
	{"compact-10", 10, compactStyle},
}

func BenchmarkDecode(b *testing.B) {
	for _, shape := range benchShapes {
		b.Run(shape.name, func(b *testing.B) {
			doc := largeReport(shape.records, shape.style)
			d, rec := new(Decoder), new(Record)
			want, err := readDecoder(d, rec, doc)
			if err != nil {
				b.Fatal(err)
			}
			run := func(b *testing.B, read func() (int64, error)) {
				b.SetBytes(int64(len(doc)))
				b.ReportAllocs()
				for b.Loop() {
					if got, err := read(); err != nil || got != want {
						b.Fatalf("got %d messages, %v; want %d", got, err, want)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*shape.records), "ns/record")
			}
			b.Run("decoder", func(b *testing.B) {
				run(b, func() (int64, error) { return readDecoder(d, rec, doc) })
			})
			b.Run("fresh", func(b *testing.B) {
				run(b, func() (int64, error) { return readDecoder(new(Decoder), rec, doc) })
			})
			b.Run("parse", func(b *testing.B) {
				run(b, func() (int64, error) { return readParse(doc) })
			})
			b.Run("encoding-xml", func(b *testing.B) {
				run(b, func() (int64, error) { return readYardstick(doc) })
			})
		})
	}
}

// cpuTime returns what this process has used, which other processes do not disturb as
// they disturb the clock.
func cpuTime(b testing.TB) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkRatio reads each report with both decoders in turns and reports
// the median of the ratios of CPU time, on one core.
func BenchmarkRatio(b *testing.B) {
	for _, shape := range benchShapes {
		b.Run(shape.name, func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			doc := largeReport(shape.records, shape.style)
			d, rec := new(Decoder), new(Record)
			measure := func(times int, read func() (int64, error)) time.Duration {
				runtime.GC()
				start := cpuTime(b)
				for range times {
					if _, err := read(); err != nil {
						b.Fatal(err)
					}
				}
				return (cpuTime(b) - start) / time.Duration(times)
			}
			a, errA := readDecoder(d, rec, doc)
			y, errY := readYardstick(doc)
			if a != y || errA != nil || errY != nil {
				b.Fatalf("got %d messages, %v; encoding/xml counts %d, %v", a, errA, y, errY)
			}
			times := max(1, 10_000/shape.records)
			var ratios, parse, fast []float64
			for b.Loop() {
				f := measure(20*times, func() (int64, error) { return readDecoder(d, rec, doc) })
				s := measure(times, func() (int64, error) { return readYardstick(doc) })
				p := measure(4*times, func() (int64, error) { return readParse(doc) })
				ratios = append(ratios, float64(s)/float64(f))
				parse = append(parse, float64(s)/float64(p))
				fast = append(fast, float64(len(doc))/float64(f))
			}
			slices.Sort(ratios)
			slices.Sort(parse)
			slices.Sort(fast)
			b.ReportMetric(ratios[len(ratios)/2], "x-encoding/xml")
			b.ReportMetric(parse[len(parse)/2], "x-by-Parse")
			b.ReportMetric(fast[len(fast)/2], "GB/s")
		})
	}
}
