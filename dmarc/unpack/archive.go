package unpack

import (
	"hash/crc32"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// member is a member of a zip or tar archive that is held in memory.
type member struct {
	name      []byte
	data      []byte // as stored in the archive
	method    uint16 // of zip: methodStored or methodDeflated, or one that is not read
	encrypted bool
	damage    string // why data is missing
	truncated bool   // data is missing because the archive ends early
	size      int64  // unpacked, -1 when unknown
	crc       uint32
	hasCRC    bool
	skip      bool // no report
}

// openMembers goes through w.members[first:]. Damage in one does not hide the others.
func (w *Walker) openMembers(first int) error {
	if len(w.members) == first {
		w.pass(dmarc.ReasonEmpty, "archive without members")
		return nil
	}
	if len(w.members) > first+1 {
		// What is skipped behind a document has to be known before the
		// document is given out with its warnings.
		for i := first; i < len(w.members); i++ {
			w.members[i].skip = w.isJunk(w.members[i])
		}
	}
	for i := first; i < len(w.members); i++ {
		if m := w.members[i]; !m.skip {
			if err := w.openMember(&m, (*Walker).open); err != nil {
				return err
			}
		}
	}
	return nil
}

// isJunk reports whether a member is readable and no report, and warns if so.
func (w *Walker) isJunk(m member) bool {
	if m.check() != nil {
		return false
	}
	f := formatOther
	_ = w.openMember(&m, func(w *Walker, in *input) error {
		f, _ = w.decide(in)
		if in.failed() {
			f = formatXML // whatever it is: its error has to be told
		}
		return nil
	})
	switch f {
	case formatOther:
		w.pass(dmarc.ReasonNotAReport, noReport)
	case formatEmpty:
		w.pass(dmarc.ReasonEmpty, noBytes)
	default:
		return false
	}
	w.warn(CodeMemberSkipped, m.name)
	return true
}

// check says why a member cannot be read, if so.
func (m *member) check() error {
	switch {
	case m.encrypted:
		return refusal(dmarc.ReasonEncrypted, "encrypted zip member")
	case m.method != methodStored && m.method != methodDeflated:
		return refusal(dmarc.ReasonUnsupported, "zip compression method %d", m.method)
	case m.truncated:
		return refusal(dmarc.ReasonTruncated, "%s", m.damage)
	case m.damage != "":
		return refusal(dmarc.ReasonCorrupt, "%s", m.damage)
	case m.method == methodStored && m.hasCRC && crc32.ChecksumIEEE(m.data) != m.crc:
		return refusal(dmarc.ReasonCorrupt, "zip checksum is wrong")
	}
	return nil
}

// openMember calls open for the content of a member.
func (w *Walker) openMember(m *member, open func(*Walker, *input) error) error {
	outer := w.enter(baseName(m.name))
	defer w.leave(outer)
	if err := m.check(); err != nil {
		return w.refuse(err)
	}
	l := w.layer(w.depth)
	if m.method == methodStored {
		l.in = memory(m.data)
		return open(w, &l.in)
	}
	l.src = memory(m.data)
	l.stream.reset(w, &l.src, formatZip)
	l.stream.want = *m
	l.in = input{buf: l.buffer(), src: &l.stream}
	return open(w, &l.in)
}

// verify compares what was unpacked with what the archive says.
func (m *member) verify(size int64, crc uint32) error {
	if m.size >= 0 && m.size != size {
		return refusal(dmarc.ReasonCorrupt, "zip member has not the stated size")
	}
	if m.hasCRC && m.crc != crc {
		return refusal(dmarc.ReasonCorrupt, "zip checksum is wrong")
	}
	return nil
}

// addMember keeps a member for openMembers.
func (w *Walker) addMember(first int, m member) error {
	if len(w.members)-first >= w.limits.Members {
		return refusal(dmarc.ReasonTooMany, "archive with more than %d members", w.limits.Members)
	}
	w.members = append(w.members, m)
	return nil
}
