package unpack_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	stdmultipart "mime/multipart"
	"net/mail"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// mailbox returns n report mails as large mailboxes have them: a text and a
// gzip (62 %) or zip attachment, 1 to 30 records.
func mailbox(n int) (mails [][]byte, size int64) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		var b strings.Builder
		fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<feedback>\n  <report_metadata>\n    <org_name>reporter%d.example</org_name>\n"+
			"    <email>noreply@reporter%d.example</email>\n    <report_id>%d</report_id>\n    <date_range>\n      <begin>1764547200</begin>\n      <end>1764633599</end>\n"+
			"    </date_range>\n  </report_metadata>\n  <policy_published>\n    <domain>shop%d.example</domain>\n    <adkim>r</adkim>\n    <aspf>r</aspf>\n    <p>reject</p>\n"+
			"    <sp>reject</sp>\n    <pct>100</pct>\n  </policy_published>\n", i%11, i%11, rnd.Uint64(), i%50)
		for range 1 + min(rnd.IntN(8), rnd.IntN(30)) {
			fmt.Fprintf(&b, "  <record>\n    <row>\n      <source_ip>198.51.%d.%d</source_ip>\n      <count>%d</count>\n      <policy_evaluated>\n"+
				"        <disposition>none</disposition>\n        <dkim>pass</dkim>\n        <spf>%s</spf>\n      </policy_evaluated>\n    </row>\n    <identifiers>\n"+
				"      <header_from>shop%d.example</header_from>\n    </identifiers>\n    <auth_results>\n      <dkim>\n        <domain>shop%d.example</domain>\n"+
				"        <result>pass</result>\n        <selector>s%d</selector>\n      </dkim>\n      <spf>\n        <domain>bounce.shop%d.example</domain>\n        <result>pass</result>\n"+
				"      </spf>\n    </auth_results>\n  </record>\n",
				rnd.IntN(256), rnd.IntN(256), 1+rnd.IntN(40), []string{"pass", "fail"}[rnd.IntN(2)], i%50, i%50, rnd.IntN(4), i%50)
		}
		b.WriteString("</feedback>\n")
		size += int64(b.Len())
		name := fmt.Sprintf("reporter%d.example!shop%d.example!1764547200!1764633599", i%11, i%50)
		part := "Content-Disposition: attachment; filename=\"" + name + ".xml.gz\"\r\n" + attachment("application/gzip", gz([]byte(b.String())))
		if rnd.IntN(100) >= 62 {
			part = "Content-Disposition: attachment; filename=\"" + name + ".zip\"\r\n" + attachment("application/zip", zipped(file{name + ".xml", []byte(b.String()), false}))
		}
		received := strings.Repeat("Received: from mx.example (mx.example [192.0.2.1])\r\n\tby in.example with ESMTPS id 1a2b3c; Tue, 01 Dec 2026 04:00:00 +0000\r\n", 4)
		mails = append(mails, []byte(received+"DKIM-Signature: v=1; a=rsa-sha256; d=reporter.example; s=a;\r\n\tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n\tb="+
			strings.Repeat("c2lnbmF0dXJl", 14)+"\r\n"+string(mixed(part))))
	}
	return mails, size
}

func BenchmarkMailbox(b *testing.B) {
	mails, size := mailbox(500)
	w := unpack.NewWalker(unpack.Limits{})
	buf := make([]byte, 64<<10)
	b.Run("unpack", func(b *testing.B) {
		b.ReportAllocs()
		defer processor(b)()
		var total int64
		var r bytes.Reader
		for i := range b.N {
			r.Reset(mails[i%len(mails)])
			err := w.Walk(&r, func(d *unpack.Document) error {
				for {
					n, err := d.Reader.Read(buf)
					total += int64(n)
					if errors.Is(err, io.EOF) {
						return nil
					}
					if err != nil {
						return err
					}
				}
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		check(b, total, size, len(mails))
	})
	b.Run("stdlib", func(b *testing.B) {
		b.ReportAllocs()
		defer processor(b)()
		var total int64
		for i := range b.N {
			err := standard(mails[i%len(mails)], func(r io.Reader) error {
				for {
					n, err := r.Read(buf)
					total += int64(n)
					if errors.Is(err, io.EOF) {
						return nil
					}
					if err != nil {
						return err
					}
				}
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		check(b, total, size, len(mails))
	})
}

// BenchmarkMailboxRecords goes from mails to records, with the decoder of
// package dmarc and with encoding/xml.
func BenchmarkMailboxRecords(b *testing.B) {
	mails, _ := mailbox(500)
	b.Run("unpack", func(b *testing.B) {
		b.ReportAllocs()
		defer processor(b)()
		w := unpack.NewWalker(unpack.Limits{})
		dec := dmarc.NewDecoder(nil)
		var rec dmarc.Record
		var r bytes.Reader
		for i := range b.N {
			r.Reset(mails[i%len(mails)])
			err := w.Walk(&r, func(d *unpack.Document) error {
				dec.Reset(d.Reader)
				for {
					if err := dec.Next(&rec); errors.Is(err, io.EOF) {
						return nil
					} else if err != nil {
						return err
					}
				}
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("stdlib", func(b *testing.B) {
		b.ReportAllocs()
		defer processor(b)()
		for i := range b.N {
			var f feedback
			err := standard(mails[i%len(mails)], func(r io.Reader) error { return xml.NewDecoder(r).Decode(&f) })
			if err != nil || len(f.Records) == 0 {
				b.Fatal(err, len(f.Records))
			}
		}
	})
}

// feedback is what programs with encoding/xml declare.
type feedback struct {
	OrgName  string `xml:"report_metadata>org_name"`
	Email    string `xml:"report_metadata>email"`
	ReportID string `xml:"report_metadata>report_id"`
	Begin    int64  `xml:"report_metadata>date_range>begin"`
	End      int64  `xml:"report_metadata>date_range>end"`
	Policy   struct {
		Domain string `xml:"domain"`
		ADKIM  string `xml:"adkim"`
		ASPF   string `xml:"aspf"`
		P      string `xml:"p"`
		SP     string `xml:"sp"`
		Pct    int    `xml:"pct"`
	} `xml:"policy_published"`
	Records []struct {
		Source      string `xml:"row>source_ip"`
		Count       int64  `xml:"row>count"`
		Disposition string `xml:"row>policy_evaluated>disposition"`
		DKIM        string `xml:"row>policy_evaluated>dkim"`
		SPF         string `xml:"row>policy_evaluated>spf"`
		HeaderFrom  string `xml:"identifiers>header_from"`
		AuthDKIM    []struct {
			Domain   string `xml:"domain"`
			Result   string `xml:"result"`
			Selector string `xml:"selector"`
		} `xml:"auth_results>dkim"`
		AuthSPF []struct {
			Domain string `xml:"domain"`
			Result string `xml:"result"`
		} `xml:"auth_results>spf"`
	} `xml:"record"`
}

// processor reports the processor time of an operation: the clock on the wall
// also counts what else the machine does.
func processor(b *testing.B) func() {
	before := usage()
	return func() { b.ReportMetric(float64(usage()-before)/float64(b.N), "cpu-ns/op") }
}

// check makes sure that every byte of every report was read.
func check(b *testing.B, total, size int64, mails int) {
	b.SetBytes(total / int64(b.N))
	if b.N%mails == 0 && total != size*int64(b.N/mails) {
		b.Errorf("%d bytes of XML, want %d", total, size*int64(b.N/mails))
	}
}

// standard does the same with the standard library, as most programs do.
func standard(m []byte, use func(io.Reader) error) error {
	msg, err := mail.ReadMessage(bytes.NewReader(m))
	if err != nil {
		return err
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	parts := stdmultipart.NewReader(msg.Body, params["boundary"])
	for {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if kind == "text/plain" {
			continue
		}
		data, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, p))
		if err != nil {
			return err
		}
		r, err := open(kind, data)
		if err != nil {
			return err
		}
		if err := use(r); err != nil {
			return err
		}
	}
}

func open(kind string, data []byte) (io.Reader, error) {
	if kind == "application/gzip" {
		return gzip.NewReader(bytes.NewReader(data))
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	return z.File[0].Open()
}

func BenchmarkStream(b *testing.B) {
	var text []byte
	for i := range 4000 {
		text = append(text, report(fmt.Sprint(i))...)
	}
	z := gz(text)
	w := unpack.NewWalker(unpack.Limits{})
	for _, tc := range []struct {
		name  string
		input []byte
	}{{"xml", text}, {"gzip", z}, {"zip", zipped(file{"a", text, false})}, {"mail", mixed(attachment("application/gzip", z))}} {
		b.Run(tc.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			defer processor(b)()
			for range b.N {
				err := w.Walk(bytes.NewReader(tc.input), func(d *unpack.Document) error {
					_, err := io.Copy(io.Discard, d.Reader)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBase64(b *testing.B) {
	text := []byte(b64(bytes.Repeat([]byte("0123456789"), 10000)))
	b.SetBytes(100000)
	defer processor(b)()
	for range b.N {
		if out, _ := unpack.Base64(text); len(out) != 100000 {
			b.Fatal(len(out))
		}
	}
}
