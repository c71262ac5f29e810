package unpack

import "math/bits"

// A decoding table maps the next bits of a deflate stream to what to do. It
// is indexed by as many bits as its shorter codes have; longer codes go
// through a second look-up in a subtable behind the first part. An entry is
//
//	bits 0-7    bits to consume: the code and, for lengths and distances, the extra bits behind it
//	bits 8-12   bits of the code alone; of a link, the number of bits that index the subtable
//	bit 13      link to a subtable
//	bit 14      end of the block
//	bit 15      any of the rare ones: link, end, or a code that must not occur
//	bits 16-30  literal byte, base of a length or distance, or start of a subtable
//	bit 31      literal
//
// The zero entry is turned into one of the rare ones before it is used.
const (
	entryLink    = 1 << 13
	entryEnd     = 1 << 14
	entryRare    = 1 << 15
	entryLiteral = 1 << 31
)

const (
	maxCode    = 15 // longest code (RFC 1951, section 3.2.7)
	maxLiteral = 288
	maxOffset  = 32
	// literalBits and offsetBits index the first part of the tables; the sizes
	// leave room for the subtables of any code. They are those of the worst
	// complete codes of 288 and 32 symbols and at most 15 bits.
	literalBits = 10
	literalSize = 1334
	offsetBits  = 8
	offsetSize  = 402
	lengthBits  = 7
	lengthSize  = 1 << lengthBits
)

// literalEntry is an entry of the code of literals and lengths (RFC 1951, section 3.2.5).
func literalEntry(sym int) uint32 {
	switch {
	case sym < 256:
		return entryLiteral | uint32(sym)<<16
	case sym == 256:
		return entryRare | entryEnd
	case sym < 265:
		return uint32(sym-257+3) << 16
	case sym < 285:
		extra := uint32(sym-261) / 4
		return (4+uint32(sym-261)%4)<<extra<<16 + 3<<16 | extra
	case sym == 285:
		return 258 << 16
	default:
		return entryRare
	}
}

// offsetEntry is an entry of the code of distances.
func offsetEntry(sym int) uint32 {
	switch {
	case sym < 4:
		return uint32(sym+1) << 16
	case sym < 30:
		extra := uint32(sym-2) / 2
		return ((2+uint32(sym)%2)<<extra+1)<<16 | extra
	default:
		return entryRare
	}
}

// buildTable fills table for the canonical code whose lengths are given;
// entries are those of the symbols without the length of their code. It
// returns false when the lengths make no code: too many codes, or too few but
// for one code of one bit, which some compressors write for a single distance.
func buildTable(table []uint32, tableBits int, lengths []uint8, entries []uint32) bool {
	var count, next [maxCode + 2]int
	for _, n := range lengths {
		count[n]++
	}
	used, space := len(lengths)-count[0], 0
	for n := 1; n <= maxCode; n++ {
		space += count[n] << (maxCode - n)
		next[n+1] = next[n] + count[n]
	}
	switch {
	case space > 1<<maxCode:
		return false
	case used == 0:
		fill(table[:1<<tableBits], entryRare)
		return true
	case space < 1<<maxCode && count[1] != 1, space < 1<<maxCode && used > 1:
		return false
	}
	var sorted [maxLiteral]uint16 // by length, then by symbol
	for sym, n := range lengths {
		if n > 0 {
			sorted[next[n]] = uint16(sym)
			next[n]++
		}
	}
	if used == 1 {
		fill(table[:1<<tableBits], entryRare)
		e := entries[sorted[0]] + 1<<8 + 1
		for i := 0; i < 1<<tableBits; i += 2 {
			table[i] = e
		}
		return true
	}
	b := tableBuilder{table: table, bits: tableBits, count: &count}
	b.build(sorted[:used], entries)
	return true
}

func fill(table []uint32, e uint32) {
	for i := range table {
		table[i] = e
	}
}

// tableBuilder walks through the codes in their canonical order. Deflate
// stores codes from their highest bit on, so that codes count up reversed.
type tableBuilder struct {
	table []uint32
	bits  int
	count *[maxCode + 2]int
	code  int // the current code, reversed
	size  int // of the current code
	// The current subtable is table[start:end], for codes that end in prefix.
	prefix, start, end int
}

func (b *tableBuilder) build(sorted []uint16, entries []uint32) {
	b.size, b.prefix, b.end = 1, -1, 1<<b.bits
	left := b.count[b.size]
	for _, sym := range sorted {
		for left == 0 {
			b.grow()
			left = b.count[b.size]
		}
		e := entries[sym] + uint32(b.size)<<8 + uint32(b.size)
		if b.size <= b.bits {
			b.table[b.code] = e
		} else {
			b.long(e, left)
		}
		left--
		if b.code == 1<<b.size-1 {
			break
		}
		bit := 1 << (bits.Len(uint(b.code^(1<<b.size-1))) - 1)
		b.code = b.code&(bit-1) | bit
	}
	for b.size < b.bits {
		b.grow()
	}
}

// grow goes to codes that are one bit longer: the table of the shorter ones
// holds for both values of that bit.
func (b *tableBuilder) grow() {
	if b.size < b.bits {
		copy(b.table[1<<b.size:2<<b.size], b.table[:1<<b.size])
	}
	b.size++
}

// long sets the entries of a code that is longer than the index of the table.
// left is how many codes of this size are still to come, with this one.
func (b *tableBuilder) long(e uint32, left int) {
	if prefix := b.code & (1<<b.bits - 1); prefix != b.prefix {
		b.prefix, b.start = prefix, b.end
		sub := b.size - b.bits
		for used := left; used < 1<<sub; {
			sub++
			used = used<<1 + b.count[b.bits+sub]
		}
		b.end = b.start + 1<<sub
		b.table[prefix] = entryRare | entryLink | uint32(b.start)<<16 | uint32(sub)<<8 | uint32(b.bits)
	}
	for i := b.start + b.code>>b.bits; i < b.end; i += 1 << (b.size - b.bits) {
		b.table[i] = e
	}
}
