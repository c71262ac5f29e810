package unpack_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
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
				out, rest, err := tc.do()
				if err != nil || !bytes.Equal(out, text) || string(rest) != "behind" {
					t.Errorf("%s, level %d, %s: %d bytes of %d, rest %.20q, error %v", name, level, tc.name, len(out), len(text), rest, err)
				}
			}
		}
	}
}

// compare inflates b with both implementations.
func compare(t *testing.T, b []byte) {
	t.Helper()
	r := bytes.NewReader(b)
	want, wantErr := io.ReadAll(flate.NewReader(r))
	out, rest, err := unpack.InflateMemory(b)
	streamed, streamedRest, streamedErr := unpack.Inflate(iotest.HalfReader(bytes.NewReader(b)), 40)
	if (err == nil) != (wantErr == nil) || err == nil && (!bytes.Equal(out, want) || len(rest) != r.Len()) {
		t.Errorf("%x: got %d bytes, %d left, error %v; want %d, %d, %v", b[:min(len(b), 100)], len(out), len(rest), err, len(want), r.Len(), wantErr)
	}
	if !bytes.Equal(out, streamed) || reasonOrNone(err) != reasonOrNone(streamedErr) || err == nil && !bytes.Equal(rest, streamedRest) {
		t.Errorf("%x: in memory %d bytes, error %v; streamed %d, %v", b[:min(len(b), 100)], len(out), err, len(streamed), streamedErr)
	}
	if n := min(len(out), len(want)); !bytes.Equal(out[:n], want[:n]) {
		t.Errorf("%x: different bytes before the error", b[:min(len(b), 100)])
	}
	var e *dmarc.Error
	if err != nil && (!errors.As(err, &e) || e.Reason != dmarc.ReasonCorrupt && e.Reason != dmarc.ReasonTruncated) {
		t.Errorf("error %v", err)
	}
}

// TestInflateLikeFlate damages and cuts streams and finds the same verdict and
// the same bytes as compress/flate.
// TestInflateFullWindow ends the window with a literal and the longest match, at every position.
func TestInflateFullWindow(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	match := make([]byte, 258)
	for i := range match {
		match[i] = byte(rnd.Uint32())
	}
	for shift := range len(match) + 1 {
		text := bytes.Clone(match[:shift])
		for i := 0; len(text) < 67_000; i++ {
			text = append(append(text, byte(i*7)), match...)
		}
		out, _, err := unpack.InflateMemory(deflated(text, flate.BestCompression))
		if err != nil || !bytes.Equal(out, text) {
			t.Fatalf("shift %d: %d bytes, error %v, want %d bytes", shift, len(out), err, len(text))
		}
	}
}

func TestInflateLikeFlate(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	rounds := 25
	if testing.Short() {
		rounds = 20
	}
	for _, text := range plainTexts() {
		for _, level := range []int{flate.HuffmanOnly, 1, 6, 9} {
			z := deflated(text[:min(len(text), 20_000)], level)
			for range rounds {
				damaged := bytes.Clone(z[:len(z)-rnd.IntN(2)*rnd.IntN(len(z))])
				for range rnd.IntN(4) {
					if len(damaged) > 0 {
						damaged[rnd.IntN(len(damaged))] ^= 1 << rnd.IntN(8)
					}
				}
				compare(t, damaged)
			}
		}
	}
}

// TestInflateHeaders tries all starts of a stream with codes that are no codes.
func TestInflateHeaders(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 2_000 {
		b := make([]byte, 1+rnd.IntN(120))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		b[0] = b[0]&^7 | 5 // the last block, with tables
		compare(t, b)
	}
}

func FuzzInflate(f *testing.F) {
	for _, text := range plainTexts() {
		for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, 1, 9} {
			f.Add(deflated(text[:min(len(text), 5000)], level))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { compare(t, b) })
}

func BenchmarkInflate(b *testing.B) {
	for _, tc := range []struct {
		name string
		text []byte
	}{{"report", report("A")}, {"reports", plainTexts()["reports"]}, {"skewed", plainTexts()["skewed"]}} {
		z := deflated(tc.text, 6)
		b.Run(tc.name+"/unpack", func(b *testing.B) {
			b.SetBytes(int64(len(tc.text)))
			defer processor(b)()
			unpack.InflateOften(z, b.N)
		})
		b.Run(tc.name+"/flate", func(b *testing.B) {
			b.SetBytes(int64(len(tc.text)))
			defer processor(b)()
			var r bytes.Reader
			z2 := flate.NewReader(&r)
			for range b.N {
				r.Reset(z)
				_ = z2.(flate.Resetter).Reset(&r, nil)
				if _, err := io.Copy(io.Discard, z2); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
