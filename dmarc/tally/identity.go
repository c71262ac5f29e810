package tally

import (
	"bytes"
	"slices"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// maxVersions bounds the contents that are counted under one identity.
const maxVersions = 8

// MaxTwins is how many identities of the same reporter, domain and period a
// store has to look at for a twin.
const MaxTwins = 50

// identities are those that entries of a delta may be recognised by, and those
// that it changes.
type identities struct {
	known   map[Key]*known
	twins   map[twin]bool
	changed []*known
}

// known are the digests under an identity.
type known struct {
	key             Key
	digests, before []byte
	changed         bool
}

// authenticMark is kept among the digests of a report that came in an authentic mail.
const authenticMark = "authntic"

// Contents returns the digests of the reports that are known under an identity, of
// what a store keeps of it, and the place of the one that came in an authentic
// mail; -1 when none did.
func Contents(digests []byte) (contents [][8]byte, authentic int) {
	authentic = -1
	for digest := range slices.Chunk(digests, len(authenticMark)) {
		switch {
		case string(digest) == authenticMark:
			authentic = len(contents) - 1
		case len(digest) == len(authenticMark):
			contents = append(contents, [8]byte(digest))
		}
	}
	return contents, authentic
}

func (k *known) authentic() bool {
	for digest := range slices.Chunk(k.digests, len(authenticMark)) {
		if string(digest) == authenticMark {
			return true
		}
	}
	return false
}

// twin is what twins have in common.
type twin struct {
	prefix [daySize + twinSize]byte
	digest [8]byte
}

func (i *identities) add(k *known) {
	if i.known == nil {
		i.known, i.twins = map[Key]*known{}, map[twin]bool{}
	}
	i.known[k.key] = k
	if len(k.digests) >= 8 {
		i.twins[twin{k.key.Twins(), [8]byte(k.digests)}] = true
	}
}

// change notes the digests under an identity.
func (i *identities) change(key Key, digests []byte) {
	k := i.known[key]
	if k == nil {
		k = &known{key: key}
	}
	if !k.changed {
		k.changed, k.before = true, k.digests
		i.changed = append(i.changed, k)
	}
	k.digests = digests
	i.add(k)
}

// changes returns the rows that are new or changed, sorted by key.
func (i *identities) changes() []IdentityRow {
	rows := make([]IdentityRow, 0, len(i.changed))
	for _, k := range i.changed {
		rows = append(rows, IdentityRow{k.key, k.digests, k.before})
	}
	slices.SortFunc(rows, func(a, b IdentityRow) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return rows
}

// Know tells the Delta of an identity that the store holds, with its digests.
// Before an entry is counted the store tells of its Entry.Key, and of up to
// MaxTwins others with the same Key.Twins.
func (d *Delta) Know(key Key, digests []byte) {
	if d.identities.known[key] == nil {
		d.identities.add(&known{key: key, digests: digests})
	}
}

// Timely reports whether an entry is neither too old nor in the future. Of
// others no identity is needed.
func (d *Delta) Timely(e *Entry) bool { return d.untimely(e) == "" }

// Recognise returns what Count would return, and counts nothing.
func (d *Delta) Recognise(e *Entry) Result {
	result, _ := d.recognise(e, e.Key())
	return result
}

// recognise returns the outcome of an entry and the digests under its identity, nil if it is new.
func (d *Delta) recognise(e *Entry, key Key) (Result, []byte) {
	if outcome := d.untimely(e); outcome != "" {
		return Result{Outcome: outcome}, nil
	}
	k := d.identities.known[key]
	if k == nil {
		// Failure reports have no twins: two failures of one second are two.
		if e.Kind != unpack.KindFailure && d.identities.twins[twin{key.Twins(), e.Digest}] {
			return Result{Outcome: OutcomeTwin, Counted: !d.t.config.SkipTwins}, nil
		}
		return Result{Outcome: OutcomeCounted, Counted: true}, nil
	}
	for digest := range slices.Chunk(k.digests, len(e.Digest)) {
		if bytes.Equal(digest, e.Digest[:]) {
			return Result{Outcome: OutcomeDuplicate}, k.digests
		}
	}
	room := len(k.digests) < maxVersions*len(e.Digest)
	// Whoever knew the identity in advance may have sent another report before.
	wins := e.Authentic && !k.authentic()
	return Result{Outcome: OutcomeConflict, Counted: (d.t.config.CountConflicts || wins) && room}, k.digests
}

// decide finds the outcome of an entry and notes its identity. A known report is
// confirmed when it comes by an authentic mail for the first time.
func (d *Delta) decide(e *Entry) (result Result, confirmed bool) {
	key := e.Key()
	result, known := d.recognise(e, key)
	if result.Outcome == OutcomeTooOld || result.Outcome == OutcomeFuture {
		return result, false
	}
	k := d.identities.known[key]
	vouches := e.Authentic && (k == nil || !k.authentic())
	confirmed = vouches && result.Outcome == OutcomeDuplicate
	digests := slices.Clone(known)
	if known == nil || result.Counted {
		// Its content is remembered beside the first, or a third delivery would count it again.
		digests = append(digests, e.Digest[:]...)
	}
	if vouches && (known == nil || result.Counted || confirmed) {
		digests = append(digests, authenticMark...)
	}
	if len(digests) > len(known) {
		d.identities.change(key, digests)
	}
	return result, confirmed
}
