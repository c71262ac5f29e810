package store

import (
	"encoding/binary"
	"math/bits"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// maxFingerprints bounds the filters: some megabytes.
const maxFingerprints = 400_000

// filters tell which reports are certainly new, so that the database need not
// be asked: nearly all are. There is one for each of the days whose identities
// were checked, of late days when they are too many.
type filters struct {
	days  map[tally.Day]*fingerprints
	total int
}

// add makes the filter of a day, empty as yet.
func (f *filters) add(day tally.Day) *fingerprints {
	one := &fingerprints{}
	if f.days == nil {
		f.days = map[tally.Day]*fingerprints{}
	}
	f.days[day] = one
	return one
}

// trim drops the filters of the earliest days while they are too large.
func (f *filters) trim() {
	for f.total = 0; ; f.total = 0 {
		earliest := ^tally.Day(0)
		for day, one := range f.days {
			f.total += one.n
			earliest = min(earliest, day)
		}
		if f.total <= maxFingerprints {
			return
		}
		delete(f.days, earliest)
	}
}

// isNew reports whether an entry is certainly no copy and no twin of another.
func (f *filters) isNew(key tally.Key, digest [8]byte) bool {
	one := f.days[key.Day()]
	return one != nil && !one.has(identityPrint(key)) && !one.has(twinPrint(key, digest[:]))
}

// keep notes an identity.
func (f *filters) keep(key tally.Key, digests []byte) {
	if one := f.days[key.Day()]; one != nil {
		one.note(key, digests)
	}
}

// fingerprints are a set of numbers that stand for identities and for what
// twins have in common. It may hold what it was not given, but rarely does.
type fingerprints struct {
	table []uint32 // 0 is no number
	n     int
}

func (f *fingerprints) note(key tally.Key, digests []byte) {
	f.put(identityPrint(key))
	f.put(twinPrint(key, digests))
}

// identityPrint stands for an identity: a part of its hash.
func identityPrint(key tally.Key) uint32 {
	return binary.BigEndian.Uint32(key[tally.KeySize-4:]) | 1
}

// twinPrint stands for the content of a report of a reporter, domain and period.
func twinPrint(key tally.Key, digests []byte) uint32 {
	twins := key.Twins()
	hash := binary.BigEndian.Uint64(twins[1:])*0x9e3779b97f4a7c15 ^ binary.BigEndian.Uint64(digests)
	return uint32(bits.RotateLeft64(hash*0x9e3779b97f4a7c15, 32))&^1 | 2
}

func (f *fingerprints) has(print uint32) bool {
	if f.n == 0 {
		return false
	}
	for i := f.at(print); f.table[i] != 0; i = (i + 1) % len(f.table) {
		if f.table[i] == print {
			return true
		}
	}
	return false
}

// at returns where to begin to look for a number.
func (f *fingerprints) at(print uint32) int {
	return int(uint64(print) * uint64(len(f.table)) >> 32)
}

func (f *fingerprints) put(print uint32) {
	if 4*(f.n+1) > 3*len(f.table) {
		f.grow()
	}
	i := f.at(print)
	for ; f.table[i] != 0; i = (i + 1) % len(f.table) {
		if f.table[i] == print {
			return
		}
	}
	f.table[i] = print
	f.n++
}

func (f *fingerprints) grow() {
	const least = 16
	old := f.table
	f.table, f.n = make([]uint32, max(least, 2*len(old))), 0
	for _, print := range old {
		if print != 0 {
			f.put(print)
		}
	}
}
