package dmarc

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// interner keeps the strings of recent values, so that a value that comes
// again costs a look-up instead of an allocation. Its tables have two places
// for each hash and overwrite the older: they are bounded, and colliding values
// that somebody has chosen on purpose cost no more than new ones.
type interner struct {
	words   table[string]
	domains table[string]
	sources table[source]
	shared  strings.Builder // the texts of new sources
}

// source is an address with its text.
type source struct {
	text string
	addr netip.Addr
}

// Sizes of the tables, in pairs: they start small, for programs that use a Decoder once,
// and grow when they prove too small.
const (
	tableStart = 32
	tableSize  = 2048
	internMax  = 128 // longer values are not kept
)

type table[T any] struct {
	slots  [][2]T
	misses int
}

// slot returns the places for values with hash h.
func (t *table[T]) slot(h uint64) *[2]T {
	if t.misses >= len(t.slots) && len(t.slots) < tableSize {
		t.slots, t.misses = make([][2]T, max(tableStart, 4*len(t.slots))), 0
	}
	return &t.slots[h>>32*uint64(len(t.slots))>>32]
}

// hashValue hashes buf[p:end], of which it reads at most 24 bytes. At least
// eight bytes follow p, because of the slack.
func hashValue(buf []byte, p, end int) uint64 {
	const k1, k2 = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
	n := end - p
	x := binary.LittleEndian.Uint64(buf[p:])
	if n <= 8 {
		unused := 64 - 8*uint(n)
		return (x<<unused>>unused*k1 ^ uint64(n)) * k2
	}
	y := binary.LittleEndian.Uint64(buf[end-8:])
	z := binary.LittleEndian.Uint64(buf[p+n/2-4:])
	return ((x*k1^y)*k2 ^ z ^ uint64(n)) * k1
}

// word returns the string of the text buf[p:end], which is plain. It reports
// false for text with white space around it and for long text.
func (s *interner) word(buf []byte, p, end int) (string, bool) {
	if end-p > internMax {
		return "", false
	}
	if p == end {
		return "", true
	}
	if buf[p] == ' ' || buf[end-1] == ' ' {
		return "", false
	}
	e := s.words.slot(hashValue(buf, p, end))
	switch b := buf[p:end]; {
	case string(b) == e[0]:
		return e[0], true
	case string(b) == e[1]:
		return e[1], true
	}
	s.words.misses++
	e[0], e[1] = string(buf[p:end]), e[0]
	return e[0], true
}

// domain is word for domains; it reports false for what is not in normal form as well.
func (s *interner) domain(buf []byte, p, end int) (string, bool) {
	if end-p > internMax {
		return "", false
	}
	if p == end {
		return "", true
	}
	e := s.domains.slot(hashValue(buf, p, end))
	switch b := buf[p:end]; {
	case string(b) == e[0]:
		return e[0], true
	case string(b) == e[1]:
		return e[1], true
	case text.CheckHost(b) != text.HostNormal:
		return "", false
	}
	s.domains.misses++
	e[0], e[1] = string(buf[p:end]), e[0]
	return e[0], true
}

// source returns the address buf[p:end], or nil when it is not a clean one.
func (s *interner) source(buf []byte, p, end int) *source {
	if end-p > 45 || p == end {
		return nil
	}
	e := s.sources.slot(hashValue(buf, p, end))
	switch b := buf[p:end]; {
	case string(b) == e[0].text:
		return &e[0]
	case string(b) == e[1].text:
		return &e[1]
	}
	a, ok := text.IPv4(buf[p:end])
	sent := s.share(buf[p:end])
	if !ok {
		var code Code
		if a, code = parseSource(sent); code != "" {
			return nil
		}
	}
	s.sources.misses++
	e[0], e[1] = source{sent, a}, e[0]
	return &e[0]
}

// share makes a string that shares its memory with a few dozen others: large
// reports have tens of thousands of addresses that come once.
func (s *interner) share(b []byte) string {
	const size = 1024
	if s.shared.Len()+len(b) > s.shared.Cap() {
		s.shared = strings.Builder{}
		s.shared.Grow(size)
	}
	from := s.shared.Len()
	s.shared.Write(b)
	return s.shared.String()[from:]
}
