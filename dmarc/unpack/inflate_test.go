package unpack_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// deflated compresses b at a level of compress/flate.
func deflated(b []byte, level int) []byte {
	var out bytes.Buffer
	z, err := flate.NewWriter(&out, level)
	if err != nil {
		panic(err)
	}
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

// plainTexts are texts that make compressors use all they have.
func plainTexts() map[string][]byte {
	rnd := rand.New(rand.NewPCG(3, 4))
	noise, skewed := make([]byte, 70_000), make([]byte, 70_000)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
		skewed[i] = byte(min(rnd.ExpFloat64()*9, 255)) // codes of very different lengths
	}
	far := append(bytes.Clone(noise[:32768]), noise[:32768]...) // matches as far back as can be
	var xml []byte
	for i := range 120 {
		xml = append(xml, report(strings.Repeat("x", i%70))...)
	}
	return map[string][]byte{
		"nothing": nil, "a byte": {'a'}, "one letter": bytes.Repeat([]byte("a"), 70_000), "noise": noise, "skewed": skewed, "far": far,
		"report": report("A"), "reports": xml, "three letters": bytes.Repeat([]byte("abc"), 30_000),
		"mixed": append(append(bytes.Clone(xml[:50_000]), noise[:70_000]...), xml[:70_000]...),
	}
}

func TestInflate(t *testing.T) {
	for name, text := range plainTexts() {
		for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
			z := deflated(text, level)
			z = append(z, "behind"...)
			for _, tc := range []struct {
				name string
				do   func() (out, rest []byte, err error)
			}{
				{"memory", func() ([]byte, []byte, error) { return unpack.InflateMemory(z) }},
				{"stream", func() ([]byte, []byte, error) { return unpack.Inflate(bytes.NewReader(z), 1000) }},
				{"tiny buffer", func() ([]byte, []byte, error) { return unpack.Inflate(bytes.NewReader(z), 9) }},
				{"bytes", func() ([]byte, []byte, error) { return unpack.Inflate(iotest.OneByteReader(bytes.NewReader(z)), 64) }},
			} {
				if level > flate.BestSpeed && level != flate.DefaultCompression && tc.name != "memory" {
					continue // These levels differ in how hard they search, not in what they write.
				}
				out, rest, err := tc.do()
				if err != nil || !bytes.Equal(out, text) || string(rest) != "behind" {
					t.Errorf("%s, level %d, %s: %d bytes of %d, rest %.20q, error %v", name, level, tc.name, len(out), len(text), rest, err)
				}
			}
		}
	}
}

// FuzzInflate damages streams: whatever is unpacked before an error is right, the error has a
// reason, and the bytes are the same however they come in.
func FuzzInflate(f *testing.F) {
	for _, text := range plainTexts() {
		for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, 1, 9} {
			z := deflated(text[:min(len(text), 5000)], level)
			f.Add(z)
			f.Add(z[:len(z)/2])
			f.Add(append(bytes.Clone(z[:len(z)/3]), z[len(z)/2:]...))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		out, rest, err := unpack.InflateMemory(b)
		streamed, streamedRest, streamedErr := unpack.Inflate(iotest.HalfReader(bytes.NewReader(b)), 40)
		if !bytes.Equal(out, streamed) || reasonOrNone(err) != reasonOrNone(streamedErr) || err == nil && !bytes.Equal(rest, streamedRest) {
			t.Errorf("in memory %d bytes, error %v; streamed %d, %v", len(out), err, len(streamed), streamedErr)
		}
		var e *dmarc.Error
		if err != nil && (!errors.As(err, &e) || e.Reason != dmarc.ReasonCorrupt && e.Reason != dmarc.ReasonTruncated) {
			t.Errorf("error %v", err)
		}
	})
}
