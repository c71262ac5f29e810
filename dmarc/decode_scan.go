package dmarc

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// slack is the number of zero bytes behind the data in a window. Three things
// rely on them:
//
//   - A zero byte is no text, no white space and no part of a name, so each of
//     plainEnd, spaceEnd and nameEnd ends on it at the latest and needs no bound.
//     What they return is compared with the end of the data by the caller, or
//     the byte there with the one that is wanted, which is never zero.
//   - Eight bytes can be loaded at any place of the data (plainEnd, hashValue).
//   - buf[p] and buf[p+1] exist where p is the end of the data (readTags,
//     markup, reference).
//
// Eight would do for the second; sixteen leave room for loads that start up to
// eight bytes behind the data.
const slack = 16

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// plainEnd returns the index of the first byte from p on that is not plain
// text: markup, a reference, a control character or not ASCII. The slack
// behind the data guarantees that there is one.
func plainEnd(buf []byte, p int) int {
	for ; p+8 <= len(buf); p += 8 { // The slack ends it.
		if m := specials(binary.LittleEndian.Uint64(buf[p:])); m != 0 {
			return p + bits.TrailingZeros64(m)>>3
		}
	}
	return p
}

// specials marks, in the top bit of each byte, the bytes of x that are not
// plain text. Only the lowest mark is exact: a borrow may set later ones.
func specials(x uint64) uint64 {
	lt, amp := x^'<'*ones, x^'&'*ones
	m := (lt-ones)&^lt | (amp-ones)&^amp | (x-' '*ones)&^x | x
	return m & tops
}

func isSpace(c byte) bool {
	const spaces = 1<<' ' | 1<<'\t' | 1<<'\r' | 1<<'\n'
	return c <= ' ' && uint64(spaces)>>c&1 != 0
}

func isNameStart(c byte) bool {
	return (c|0x20)-'a' < 26 || c == '_' || c == ':' || c >= 0x80
}

func isName(c byte) bool {
	return isNameStart(c) || c-'0' < 10 || c == '-' || c == '.'
}

// nameEnd returns the end of the name at p, or p when there is none.
func nameEnd(buf []byte, p int) int {
	if !isNameStart(buf[p]) {
		return p
	}
	for isName(buf[p]) { // The slack ends it.
		p++
	}
	return p
}

// spaceEnd returns the index of the first byte from p on that is no white space.
func spaceEnd(buf []byte, p int) int {
	for isSpace(buf[p]) { // The slack ends it.
		p++
	}
	return p
}

// tag is a start tag or an end tag.
type tag struct {
	prefix, local []byte
	next          int  // behind the tag
	empty         bool // <name/>
	plain         bool // <name> and nothing else: no attribute, no space
	broken        bool // its attributes are malformed
}

// attribute is one namespace declaration of a tag.
type attribute struct{ name, value []byte }

// scanTag reads the start tag at p, which starts with '<' and a name, from
// the data buf[:end]. It reports false when the tag does not end there.
// Namespace declarations are appended to ns, up to maxPrefixes of them.
func scanTag(buf []byte, p, end int, ns []attribute) (t tag, _ []attribute, ok bool) {
	from := p + 1
	p = nameEnd(buf, from)
	t.splitName(buf[from:p])
	if buf[p] == '>' {
		t.next, t.plain = p+1, true
		return t, ns, true
	}
	for {
		p = spaceEnd(buf, p)
		switch c := buf[p]; {
		case p >= end:
			return t, ns, false
		case c == '>':
			t.next = p + 1
			return t, ns, true
		case c == '/' && buf[p+1] == '>':
			t.next, t.empty = p+2, true
			return t, ns, true
		}
		var a attribute
		if p, a, ok = scanAttribute(buf, p, end); !ok {
			return t, ns, false
		}
		if a.value == nil {
			t.broken = true
		} else if len(ns) < maxPrefixes && bytes.HasPrefix(a.name, []byte("xmlns")) {
			ns = append(ns, a)
		}
	}
}

// scanAttribute reads the attribute at p. The value of a malformed one is nil.
// It reports false when the data ends first.
func scanAttribute(buf []byte, p, end int) (next int, a attribute, ok bool) {
	from := p
	p = nameEnd(buf, p)
	a.name = buf[from:p]
	p = spaceEnd(buf, p)
	if buf[p] != '=' || len(a.name) == 0 {
		if p == from {
			p++
		}
		return p, a, p <= end
	}
	p = spaceEnd(buf, p+1)
	if q := buf[p]; q == '"' || q == '\'' {
		n := bytes.IndexByte(buf[p+1:end], q)
		if n < 0 {
			return end, a, false
		}
		a.value = buf[p+1 : p+1+n]
		return p + n + 2, a, true
	}
	for p < end && !isSpace(buf[p]) && buf[p] != '>' {
		p++
	}
	return p, a, p < end
}

// scanEndTag reads the end tag at p, which starts with "</". It reports false
// when the data ends first; the name of a malformed tag is empty.
func scanEndTag(buf []byte, p, end int) (t tag, ok bool) {
	from := p + 2
	p = nameEnd(buf, from)
	t.splitName(buf[from:p])
	p = spaceEnd(buf, p)
	if p >= end {
		return t, false
	}
	if buf[p] != '>' {
		return tag{next: p}, true
	}
	t.next = p + 1
	return t, true
}

// endTagEnd returns the end of the end tag of name, which may have the prefix, at
// p. It is -1 when something else is there, or when the tag has white space.
func endTagEnd(buf []byte, p, end int, prefix, name string) int {
	p += 2
	if n := len(prefix); n > 0 && p+n < end && buf[p+n] == ':' && string(buf[p:p+n]) == prefix {
		p += n + 1
	}
	q := p + len(name)
	if q >= end || buf[q] != '>' || string(buf[p:q]) != name {
		return -1
	}
	return q + 1
}

func (t *tag) splitName(name []byte) {
	if i := bytes.IndexByte(name, ':'); i >= 0 {
		t.prefix, t.local = name[:i], name[i+1:]
		return
	}
	t.local = name
}

// nameHash hashes the whole name, to compare a start tag with an end tag
// without keeping the former.
func (t *tag) nameHash() uint32 {
	h := uint32(2166136261)
	for _, c := range t.prefix {
		h = (h ^ uint32(c)) * 16777619
	}
	h = (h ^ ':') * 16777619
	for _, c := range t.local {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}
