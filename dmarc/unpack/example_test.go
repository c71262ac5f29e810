package unpack_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// A mail with a report in a zip, and a damaged attachment beside it.
func ExampleWalk() {
	archive := zipped(file{name: "mx.example!shop.example!1764547200!1764633599.xml", data: report("42")})
	mail := "From: dmarc@mx.example\r\nSubject: two attachments\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n" +
		"--cut\r\nContent-Transfer-Encoding: base64\r\n\r\nH4sIAAAAAAAA\r\n" +
		"--cut\r\nContent-Type: application/zip; name=report.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b64(archive) +
		"--cut--\r\n"

	err := unpack.Walk(strings.NewReader(mail), unpack.Limits{}, func(doc *unpack.Document) error {
		if doc.Err != nil {
			fmt.Println("damaged:", doc.Name, "-", doc.Err)
			return nil
		}
		b, err := io.ReadAll(doc.Reader) // a decoder of package dmarc, tlsrpt or failure
		if err != nil {
			return err
		}
		fmt.Println(doc.Kind, "report", doc.Name)
		fmt.Println("from", doc.Mail.From()[0], "whole:", bytes.HasSuffix(b, []byte("</feedback>\n")))
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// damaged: part 1 - truncated: gzip header ends early
	// aggregate report report.zip/mx.example!shop.example!1764547200!1764633599.xml
	// from dmarc@mx.example whole: true
}

// A Walker keeps its buffers: use one per goroutine for many inputs.
func ExampleWalker() {
	w := unpack.NewWalker(unpack.Limits{Depth: 3})
	for _, input := range [][]byte{report("1"), []byte("nothing of interest")} {
		err := w.Walk(bytes.NewReader(input), func(doc *unpack.Document) error {
			n, err := io.Copy(io.Discard, doc.Reader)
			fmt.Println(doc.Kind, n > 0)
			return err
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// aggregate true
	// not_a_report: neither a report nor a container of one
}
