package exporter

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// compressor compresses answers for clients that accept gzip. It is the fastest
// level, where promhttp would take the default one: a page of metrics, which
// repeats itself, is a fifth larger then, for a fraction of the time.
type compressor struct {
	writers sync.Pool // of *gzip.Writer
}

// serve lets h answer, compressed if the client wants it so.
func (c *compressor) serve(w http.ResponseWriter, r *http.Request, h http.Handler) {
	if !acceptsGzip(r.Header) {
		h.ServeHTTP(w, r)
		return
	}
	zip := c.writer()
	defer c.writers.Put(zip)
	z := &zipped{ResponseWriter: w, zip: zip}
	h.ServeHTTP(z, r)
	if z.begun {
		_ = zip.Close() // The client has gone.
	}
}

// writer returns a writer from the pool, for which nothing is set but the level.
func (c *compressor) writer() *gzip.Writer {
	zip, ok := c.writers.Get().(*gzip.Writer)
	if !ok {
		zip, _ = gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // The level is valid.
	}
	return zip
}

// compress compresses what write writes.
func (c *compressor) compress(to io.Writer, write func(io.Writer) error) error {
	zip := c.writer()
	defer c.writers.Put(zip)
	zip.Reset(to)
	if err := write(zip); err != nil {
		return err
	}
	return zip.Close()
}

// acceptsGzip reports whether a client does: RFC 9110, section 12.5.3.
func acceptsGzip(h http.Header) bool {
	others := false // what holds for codings that are not listed
	for coding := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, parameter, _ := strings.Cut(coding, ";")
		key, weight, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		q, err := strconv.ParseFloat(weight, 64)
		accepted := !strings.EqualFold(key, "q") || err != nil || q > 0
		switch name = strings.TrimSpace(name); {
		case strings.EqualFold(name, "gzip"):
			return accepted
		case name == "*":
			others = accepted
		}
	}
	return others
}

// zipped compresses an answer, unless it is an error.
type zipped struct {
	http.ResponseWriter
	zip   *gzip.Writer
	wrote bool // the header
	begun bool // what is compressed
}

// WriteHeader implements http.ResponseWriter.
func (z *zipped) WriteHeader(code int) {
	if !z.wrote && code == http.StatusOK {
		z.begun = true
		z.Header().Set("Content-Encoding", "gzip")
		z.zip.Reset(z.ResponseWriter)
	}
	z.wrote = true
	z.ResponseWriter.WriteHeader(code)
}

// Write implements io.Writer.
func (z *zipped) Write(b []byte) (int, error) {
	if !z.wrote {
		z.WriteHeader(http.StatusOK)
	}
	if z.begun {
		return z.zip.Write(b)
	}
	return z.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (z *zipped) Unwrap() http.ResponseWriter { return z.ResponseWriter }
