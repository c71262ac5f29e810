package unpack_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// report returns a small aggregate report whose report_id is id.
func report(id string) []byte {
	return []byte(`<?xml version="1.0" encoding="UTF-8"?>
<feedback>
  <report_metadata>
    <org_name>Unpack Tests</org_name><email>dmarc@reporter.example</email><report_id>` + id + `</report_id>
    <date_range><begin>1764547200</begin><end>1764633599</end></date_range>
  </report_metadata>
  <policy_published><domain>shop.example</domain><p>none</p></policy_published>
  <record>
    <row>
      <source_ip>192.0.2.1</source_ip><count>2</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated>
    </row>
    <identifiers><header_from>shop.example</header_from></identifiers>
    <auth_results><spf><domain>shop.example</domain><result>pass</result></spf></auth_results>
  </record>
</feedback>
`)
}

const tlsReport = `{"organization-name":"Unpack Tests","date-range":{"start-datetime":"2026-11-01T00:00:00Z",` +
	`"end-datetime":"2026-11-01T23:59:59Z"},"report-id":"T","policies":[]}`

const feedbackReport = "Feedback-Type: auth-failure\r\nVersion: 1\r\nUser-Agent: Unpack/1\r\n" +
	"Auth-Failure: dmarc\r\nIdentity-Alignment: none\r\nSource-IP: 192.0.2.9\r\n"

func gz(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func zlibbed(b []byte) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

// file is a member of an archive.
type file struct {
	name   string
	data   []byte
	stored bool
}

// zipped makes a zip with data descriptors, as streaming writers do.
func zipped(files ...file) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		if f.stored {
			h.Method = zip.Store
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			panic(err)
		}
		_, _ = w.Write(f.data)
	}
	_ = z.Close()
	return out.Bytes()
}

// tarred makes a tar of the oldest flavour.
func tarred(files ...file) []byte {
	var out []byte
	for _, f := range files {
		h := make([]byte, 512)
		copy(h, f.name)
		copy(h[100:], "0000644\x000000000\x000000000\x00")
		copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00        0", len(f.data)))
		sum := 0
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		out = append(out, h...)
		out = append(out, f.data...)
		out = append(out, make([]byte, (512-len(f.data)%512)%512)...)
	}
	return append(out, make([]byte, 1024)...)
}

func utf16le(b []byte) []byte {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(string(b))) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

// b64 encodes in lines of 76 characters, as mails do.
func b64(b []byte) string {
	s := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(s) > 76 {
		out.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	return out.String() + s + "\r\n"
}

const mailHeader = "From: DMARC <dmarc@reporter.example>\r\nTo: rua@shop.example\r\n" +
	"Subject: Report Domain: shop.example\r\nDate: Tue, 01 Dec 2026 04:00:00 +0000\r\n" +
	"Message-ID: <1@reporter.example>\r\nMIME-Version: 1.0\r\n"

// entity is a MIME entity: header fields and a body.
func entity(fields, body string) string { return fields + "\r\n\r\n" + body }

// attachment is a part with base64.
func attachment(mediaType string, b []byte) string {
	return entity("Content-Type: "+mediaType+"\r\nContent-Transfer-Encoding: base64", b64(b))
}

// multipart is a multipart entity.
func multipart(mediaType, boundary string, parts ...string) string {
	body := "Preamble.\r\n"
	for _, p := range parts {
		body += "--" + boundary + "\r\n" + p + "\r\n"
	}
	return entity("Content-Type: "+mediaType+"; boundary=\""+boundary+"\"", body+"--"+boundary+"--\r\n")
}

// mixed is a mail with a text and more parts.
func mixed(parts ...string) []byte {
	text := entity("Content-Type: text/plain; charset=utf-8", "This is a report.\r\n")
	return []byte(mailHeader + multipart("multipart/mixed", "=_b1", append([]string{text}, parts...)...))
}

// transcript says what Walk gave out, a line for each call of visit and for
// the final error. Documents are named by what they are in known.
func transcript(t testing.TB, r io.Reader, limits unpack.Limits, known map[string][]byte) string {
	t.Helper()
	var lines []string
	err := unpack.Walk(r, limits, func(d *unpack.Document) error {
		lines = append(lines, describe(d, known))
		return nil
	})
	if err != nil {
		lines = append(lines, "error "+reason(err))
	}
	return strings.Join(lines, "\n")
}

func describe(d *unpack.Document, known map[string][]byte) string {
	if d.Err != nil {
		return "refused " + reason(d.Err)
	}
	b, err := io.ReadAll(d.Reader)
	line := string(d.Kind)
	switch {
	case err != nil:
		line += " fails " + reason(err)
	case nameOf(b, known) != "":
		line += " " + nameOf(b, known)
	default:
		line += fmt.Sprintf(" unknown %.40q", b)
	}
	for _, w := range d.Warnings {
		line += " !" + string(w.Code)
	}
	return line
}

func nameOf(b []byte, known map[string][]byte) string {
	for name, k := range known {
		if bytes.Equal(b, k) {
			return name
		}
	}
	return ""
}

func reason(err error) string {
	var e *dmarc.Error
	if !errors.As(err, &e) {
		return "without reason: " + err.Error()
	}
	return string(e.Reason)
}
