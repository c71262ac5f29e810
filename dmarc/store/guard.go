package store

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// A guard is a checksum that a row carries, because what a disk loses or flips
// must not become another number. It is linear in the numbers of the row: what
// is added to a number has a guard of its own that is added to the guard of the
// row, so that the database itself can add.
const (
	// guardPrime is what guards are counted modulo, 2^61 - 1: two of them add
	// up within 64 bits.
	guardPrime = 1<<61 - 1
	// guardFactor tells the numbers of a row apart; its powers have no pattern.
	guardFactor = 0x1d8e4e27c47d124f
)

// guard returns the guard of a row: texts and the numbers.
func guard(table string, row []any) int64 {
	sum := crc32.MakeTable(crc32.Castagnoli) // made once, by crc32
	text := crc32.Checksum([]byte(table), sum)
	total, factor := uint64(0), uint64(guardFactor)
	for _, value := range row {
		switch v := value.(type) {
		case string:
			var size [4]byte
			binary.BigEndian.PutUint32(size[:], uint32(len(v)))
			text = crc32.Update(crc32.Update(text, sum, size[:]), sum, []byte(v))
		case int64:
			total = addGuards(total, mulGuard(reduce(v), factor))
			factor = mulGuard(factor, guardFactor)
		}
	}
	return int64(addGuards(total, mulGuard(uint64(text)+1, factor)))
}

// guardOf returns the guard of what is added to the numbers of a row: of row
// itself without its texts, with what is not added as 0.
func guardOf(added []int64) int64 {
	total, factor := uint64(0), uint64(guardFactor)
	for _, v := range added {
		total = addGuards(total, mulGuard(reduce(v), factor))
		factor = mulGuard(factor, guardFactor)
	}
	return int64(total)
}

// reduce returns v modulo the prime, never negative.
func reduce(v int64) uint64 {
	if v %= guardPrime; v < 0 {
		v += guardPrime
	}
	return uint64(v)
}

func addGuards(a, b uint64) uint64 { return (a + b) % guardPrime }

func mulGuard(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return bits.Rem64(hi, lo, guardPrime)
}

// checksum is the checksum of an identity with its digests.
func checksum(key, digests []byte) int64 {
	sum := crc32.MakeTable(crc32.Castagnoli)
	return int64(crc32.Update(crc32.Checksum(key, sum), sum, digests))
}
