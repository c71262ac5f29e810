package node

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

const (
	maxCertificateFile  = 4 << 20 // bytes
	maxCertificateFiles = 200     // and as many values of the label
)

// certificates is the collector of certificate files.
type certificates struct {
	rootfs   string
	patterns []string
	table    *collect.Table[certificateFiles]
}

// certificateFiles is what one run found.
type certificateFiles struct {
	leftOut int
	shown   []certificateFile
}

type certificateFile struct {
	path     string
	notAfter time.Time
	err      error
}

// certificateRows are the metrics of certificate files.
func certificateRows() []collect.Row[certificateFiles] {
	return []collect.Row[certificateFiles]{
		collect.Gauge("node_certificate_not_after_timestamp_seconds", "When the first certificate in the file expires.",
			func(c certificateFiles, s collect.Series) {
				for _, f := range c.shown {
					if f.err == nil {
						s.Value(float64(f.notAfter.Unix()), f.path)
					}
				}
			}, "path"),
		collect.Gauge("node_certificate_read_error", "Whether no certificate can be read from the file.",
			func(c certificateFiles, s collect.Series) {
				for _, f := range c.shown {
					s.Flag(f.err != nil, f.path)
				}
			}, "path"),
		collect.Gauge("node_certificate_files_left_out", "Certificate files that got no metrics, because there are more than the limit.",
			func(c certificateFiles, s collect.Series) { s.Value(float64(c.leftOut)) }),
	}
}

func newCertificates(rootfs string, patterns []string) (*certificates, error) {
	for _, p := range patterns {
		if _, err := filepath.Match(p, ""); err != nil {
			return nil, fmt.Errorf("pattern of certificate files %q: %w", p, err)
		}
	}
	return &certificates{rootfs: rootfs, patterns: patterns, table: collect.NewTable(certificateRows(), nil)}, nil
}

// Update implements updater.
func (c *certificates) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	files := c.files()
	all := certificateFiles{leftOut: max(0, len(files)-maxCertificateFiles)}
	var errs []error
	for _, file := range files[:min(len(files), maxCertificateFiles)] {
		notAfter, err := readCertificates(filepath.Join(c.rootfs, file))
		if err != nil {
			errs = append(errs, fmt.Errorf("certificates of %s: %w", file, err))
		}
		all.shown = append(all.shown, certificateFile{file, notAfter, err})
	}
	c.table.Collect(all, ch)
	return errors.Join(errs...)
}

// files returns the files that match, without the root of the host. A pattern
// without wildcards stands for its file, be it there or not.
func (c *certificates) files() []string {
	var all []string
	for _, p := range c.patterns {
		if !strings.ContainsAny(p, `*?[\`) {
			all = append(all, filepath.Clean(p))
			continue
		}
		matches, _ := filepath.Glob(filepath.Join(c.rootfs, p)) // The pattern was checked.
		for _, m := range matches {
			if c.rootfs != "/" {
				m = strings.TrimPrefix(m, filepath.Clean(c.rootfs))
			}
			all = append(all, m)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// readCertificates returns when the first certificate of a file expires.
func readCertificates(file string) (time.Time, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return time.Time{}, err
	case !info.Mode().IsRegular(): // Opening a FIFO would hang.
		return time.Time{}, errors.New("not a regular file")
	case info.Size() > maxCertificateFile:
		return time.Time{}, fmt.Errorf("larger than %d bytes", maxCertificateFile)
	}
	f, err := os.Open(file)
	if err != nil {
		return time.Time{}, err
	}
	defer f.Close()
	return parseCertificates(io.LimitReader(f, maxCertificateFile))
}

// parseCertificates returns when the first of the certificates in a PEM file
// expires, or in a file of one certificate in DER. Keys are skipped.
func parseCertificates(r io.Reader) (time.Time, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return time.Time{}, err
	}
	if !bytes.Contains(data, []byte("-----BEGIN")) {
		cert, err := x509.ParseCertificate(data)
		if err != nil {
			return time.Time{}, errors.New("neither PEM nor a certificate in DER")
		}
		return cert.NotAfter, nil
	}
	var first time.Time
	found := false
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, fmt.Errorf("certificate in PEM: %w", err)
		}
		if !found || cert.NotAfter.Before(first) {
			first = cert.NotAfter
		}
		found = true
	}
	if !found {
		return time.Time{}, errors.New("no certificate in it")
	}
	return first, nil
}
