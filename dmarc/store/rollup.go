package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// rollup is what the records of the reports about a domain that end on one day
// come to: one entry for each day of the messages, address and content.
type rollup struct {
	orgs     []string
	entries  []rollupEntry
	outcomes map[int64]outcome // of the contents
	byOrg    map[string]int
	byKey    map[rollupKey]int
}

type rollupKey struct {
	day     tally.Day // on which the messages were sent
	source  string
	content int64
}

type rollupEntry struct {
	rollupKey
	messages int64
	orgs     []int // who reported it, sorted
}

func newRollup() *rollup {
	return &rollup{outcomes: map[int64]outcome{}, byOrg: map[string]int{}, byKey: map[rollupKey]int{}}
}

// add adds a record.
func (r *rollup) add(key rollupKey, messages int64, org string) {
	o, ok := r.byOrg[org]
	if !ok {
		o = len(r.orgs)
		r.orgs, r.byOrg[org] = append(r.orgs, org), o
	}
	i, ok := r.byKey[key]
	if !ok {
		i = len(r.entries)
		r.entries, r.byKey[key] = append(r.entries, rollupEntry{rollupKey: key}), i
	}
	e := &r.entries[i]
	e.messages = tally.Add(e.messages, messages)
	if at, ok := slices.BinarySearch(e.orgs, o); !ok {
		e.orgs = slices.Insert(e.orgs, at, o)
	}
}

// unknown returns the contents of entries whose outcome is not known.
func (r *rollup) unknown() (ids []int64) {
	for i := range r.entries {
		if _, ok := r.outcomes[r.entries[i].content]; !ok {
			ids = append(ids, r.entries[i].content)
		}
	}
	return ids
}

// encode writes a rollup: the orgs, the classes, those who messages were authenticated
// for, the contents with their outcomes, the days, and the entries in the order of
// addresses, of which each begins as the one before. A checksum is at the end.
func (r *rollup) encode() []byte {
	slices.SortFunc(r.entries, func(a, b rollupEntry) int {
		return cmp.Or(strings.Compare(a.source, b.source), cmp.Compare(a.content, b.content), cmp.Compare(a.day, b.day))
	})
	contents, days := map[int64]uint64{}, map[tally.Day]uint64{}
	var contentList, dayList []byte
	var classes, senders names
	for i := range r.entries {
		e := &r.entries[i]
		if _, ok := contents[e.content]; !ok {
			contents[e.content] = uint64(len(contents))
			o := r.outcomes[e.content]
			contentList = binary.BigEndian.AppendUint64(contentList, uint64(e.content))
			contentList = binary.AppendUvarint(contentList, uint64(classes.numberOf(string(o.class))))
			contentList = binary.AppendUvarint(contentList, uint64(senders.numberOf(o.sentBy)))
		}
		if _, ok := days[e.day]; !ok {
			days[e.day] = uint64(len(days))
			dayList = binary.AppendVarint(dayList, int64(e.day))
		}
	}
	var b []byte
	for _, list := range [][]string{r.orgs, classes.list, senders.list} {
		b = text.AppendFields(binary.AppendUvarint(b, uint64(len(list))), list...)
	}
	b = append(binary.AppendUvarint(b, uint64(len(contents))), contentList...)
	b = append(binary.AppendUvarint(b, uint64(len(days))), dayList...)
	last := ""
	for i := range r.entries {
		e := &r.entries[i]
		same := 0
		for same < len(last) && same < len(e.source) && last[same] == e.source[same] {
			same++
		}
		b = text.AppendFields(binary.AppendUvarint(b, uint64(same)), e.source[same:])
		last = e.source
		b = binary.AppendUvarint(b, contents[e.content]*uint64(len(days))+days[e.day])
		b = binary.AppendUvarint(b, uint64(e.messages))
		b = binary.AppendUvarint(b, uint64(len(e.orgs)))
		before := 0
		for _, o := range e.orgs {
			b = binary.AppendUvarint(b, uint64(o-before))
			before = o
		}
	}
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// rollupReader reads what encode wrote.
type rollupReader struct {
	orgs, classes, senders [][]byte // valid as long as the data
	contents               []rolledContent
	days                   []tally.Day

	data   []byte
	bad    bool
	source []byte // of the entry that was read last
	moved  bool   // it is another one than that before
	by     []int  // its orgs
}

// rolledContent is a content with its outcome.
type rolledContent struct {
	id            int64
	class, sentBy uint64 // which of rollupReader.classes and senders
}

var errRollup = errors.New("it is cut or changed")

// open reads all but the entries.
func (r *rollupReader) open(data []byte) error {
	const sum = 4
	if len(data) < sum || crc32.ChecksumIEEE(data[:len(data)-sum]) != binary.BigEndian.Uint32(data[len(data)-sum:]) {
		return errRollup
	}
	*r = rollupReader{
		data: data[:len(data)-sum], orgs: r.orgs[:0], classes: r.classes[:0], senders: r.senders[:0], contents: r.contents[:0], days: r.days[:0], source: r.source[:0], by: r.by[:0],
	}
	for _, list := range []*[][]byte{&r.orgs, &r.classes, &r.senders} {
		for range r.count() {
			*list = append(*list, r.text())
		}
	}
	for range r.count() {
		if len(r.data) < 8 {
			return errRollup
		}
		c := rolledContent{id: int64(binary.BigEndian.Uint64(r.data))}
		r.data = r.data[8:]
		if c.class, c.sentBy = r.number(), r.number(); c.class >= uint64(len(r.classes)) || c.sentBy >= uint64(len(r.senders)) {
			return errRollup
		}
		r.contents = append(r.contents, c)
	}
	for range r.count() {
		day, n := binary.Varint(r.data)
		if n <= 0 {
			return errRollup
		}
		r.days, r.data = append(r.days, tally.Day(day)), r.data[n:]
	}
	if r.bad {
		return errRollup
	}
	return nil
}

// next reads an entry, and returns which of r.contents it has; its source is in
// r.source and its orgs in r.by.
func (r *rollupReader) next() (day tally.Day, content int, messages int64, err error) {
	same := r.number()
	tail := r.text()
	which, n := r.number(), uint64(len(r.days))
	count := r.number()
	r.by = r.by[:0]
	org := 0
	for range r.count() {
		org += int(r.number())
		r.by = append(r.by, org)
	}
	if r.bad || same > uint64(len(r.source)) || n == 0 || which/n >= uint64(len(r.contents)) || org >= len(r.orgs) {
		return 0, 0, 0, errRollup
	}
	r.moved = len(tail) > 0 || same < uint64(len(r.source))
	r.source = append(r.source[:same], tail...)
	return r.days[which%n], int(which / n), int64(count), nil
}

func (r *rollupReader) number() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.data = r.data[n:]
	return v
}

// count reads a number of things that follow, each of at least a byte.
func (r *rollupReader) count() int {
	n := r.number()
	if n > uint64(len(r.data)) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *rollupReader) text() []byte {
	n := r.count()
	text := r.data[:n]
	r.data = r.data[n:]
	return text
}
