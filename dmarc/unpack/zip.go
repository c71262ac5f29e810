package unpack

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// zipMember is a member of a zip archive that is held in memory.
type zipMember struct {
	member
	name   []byte
	flags  uint16
	method uint16
	data   []byte // compressed
	damage string // why data is missing
	skip   bool   // no report
}

const (
	zipStored   = 0
	zipDeflated = 8
)

// openZip goes through the members of a zip archive.
func (w *Walker) openZip(z []byte) error {
	members, refused := w.zipMembers(z)
	if refused != nil {
		return w.refuse(refused)
	}
	if len(members) == 0 {
		w.pass(dmarc.ReasonEmpty, "zip without members")
		return nil
	}
	if len(members) > 1 {
		// What is skipped behind a document has to be known before the
		// document is given out with its warnings.
		for i := range members {
			if err := w.sniffMember(&members[i]); err != nil {
				return err
			}
		}
	}
	for i := range members {
		if err := w.openMember(&members[i], (*Walker).open); err != nil {
			return err
		}
	}
	return nil
}

// sniffMember marks a member that is no report.
func (w *Walker) sniffMember(m *zipMember) error {
	var f format
	if m.check() == nil {
		_ = w.openMember(m, func(w *Walker, in *input) error {
			f, _ = w.decide(in)
			if in.err != nil && in.pos == len(in.buf) {
				f = formatXML // whatever it is: the error has to be told
			}
			return nil
		})
		m.skip = f == formatOther || f == formatEmpty
	}
	if !m.skip {
		return nil
	}
	w.warn(CodeMemberSkipped, m.name)
	if f == formatOther {
		w.pass(dmarc.ReasonNotAReport, "neither a report nor a container of one")
	} else {
		w.pass(dmarc.ReasonEmpty, "nothing but white space")
	}
	return nil
}

// check says why a member cannot be read, if so.
func (m *zipMember) check() error {
	switch {
	case m.flags&1 != 0:
		return refusal(dmarc.ReasonEncrypted, "encrypted zip member")
	case m.method != zipStored && m.method != zipDeflated:
		return refusal(dmarc.ReasonUnsupported, "zip compression method %d", m.method)
	case m.damage != "":
		return refusal(dmarc.ReasonCorrupt, "%s", m.damage)
	}
	return nil
}

// openMember calls open for the content of a member.
func (w *Walker) openMember(m *zipMember, open func(*Walker, *input) error) error {
	if m.skip {
		return nil
	}
	mark := w.enter(baseName(m.name))
	defer w.leave(mark)
	if err := m.check(); err != nil {
		return w.refuse(err)
	}
	l := w.layer(w.depth)
	if m.method == zipStored {
		if m.hasCRC && crc32.ChecksumIEEE(m.data) != m.crc {
			return w.refuse(refusal(dmarc.ReasonCorrupt, "zip checksum is wrong"))
		}
		l.in = memory(m.data)
		return open(w, &l.in)
	}
	z := &l.stream
	l.src = memory(m.data)
	z.reset(w, &l.src, formatZip)
	z.want = m.member
	l.in = input{buf: l.buffer(), src: z}
	return open(w, &l.in)
}

// baseName returns what follows the last slash of either kind.
func baseName(name []byte) []byte {
	return name[bytes.LastIndexAny(name, `/\`)+1:]
}

// zipMembers lists the members that are no directories.
func (w *Walker) zipMembers(z []byte) ([]zipMember, error) {
	dir, base, end := findDirectory(z)
	if dir == nil && end < 0 {
		w.warn(CodeZipNoDirectory, nil)
		return w.scanMembers(z)
	}
	if base > 0 {
		w.warn(CodeZipPrefix, z[:base])
	}
	if end < len(z) {
		w.warn(CodeZipSuffix, z[end:])
	}
	var members []zipMember
	for len(dir) > 0 {
		m, rest, ok := parseEntry(z, dir, base)
		if !ok {
			w.warn(CodeZipNoDirectory, nil)
			return w.scanMembers(z)
		}
		dir = rest
		if m.isDirectory() {
			continue
		}
		members = append(members, m)
		if len(members) > w.limits.Members {
			return nil, w.tooManyMembers()
		}
	}
	return members, nil
}

func (w *Walker) tooManyMembers() error {
	return refusal(dmarc.ReasonTooMany, "zip with more than %d members", w.limits.Members)
}

func (m *zipMember) isDirectory() bool {
	return len(m.name) > 0 && m.name[len(m.name)-1] == '/' && m.size <= 0
}

// findDirectory finds the central directory. base is where offsets count from:
// after whatever was put before the archive. end is where the archive ends, -1
// when there is no intact directory.
func findDirectory(z []byte) (dir []byte, base, end int) {
	const size = 22
	le := binary.LittleEndian
	limit := len(z)
	for range 8 { // junk behind the archive may hold the signature, too
		at := bytes.LastIndex(z[:limit], []byte(zipEnd))
		if at < 0 {
			break
		}
		limit = at
		e := z[at:]
		if len(e) < size {
			continue
		}
		length, offset := uint64(le.Uint32(e[12:])), uint64(le.Uint32(e[16:]))
		dirEnd := at
		if l64, o64, at64, ok := zip64End(z, at); ok {
			length, offset, dirEnd = l64, o64, at64
		}
		if length > uint64(dirEnd) || offset > uint64(dirEnd)-length {
			continue
		}
		dir, base = z[dirEnd-int(length):dirEnd], dirEnd-int(length)-int(offset)
		if len(dir) > 0 && !bytes.HasPrefix(dir, []byte(zipCentral)) {
			continue
		}
		if len(dir) == 0 && bytes.Contains(z[:at], []byte(zipLocal)) {
			continue // an empty directory beside members
		}
		return dir, base, min(at+size+int(le.Uint16(e[20:])), len(z))
	}
	return nil, 0, -1
}

// zip64End reads the zip64 end record, which stands before the end record at.
func zip64End(z []byte, at int) (length, offset uint64, start int, ok bool) {
	const locator, size = 20, 56
	le := binary.LittleEndian
	if at < locator+size || string(z[at-locator:at-locator+4]) != "PK\x06\x07" {
		return 0, 0, 0, false
	}
	start = bytes.LastIndex(z[:at-locator], []byte("PK\x06\x06"))
	if start < 0 || start+size > at {
		return 0, 0, 0, false
	}
	return le.Uint64(z[start+40:]), le.Uint64(z[start+48:]), start, true
}

// parseEntry reads one entry of the central directory.
func parseEntry(z, dir []byte, base int) (m zipMember, rest []byte, ok bool) {
	const size = 46
	le := binary.LittleEndian
	if len(dir) < size || string(dir[:4]) != zipCentral {
		return m, nil, false
	}
	name := int(le.Uint16(dir[28:]))
	extra := int(le.Uint16(dir[30:]))
	next := size + name + extra + int(le.Uint16(dir[32:]))
	if next > len(dir) {
		return m, nil, false
	}
	m.flags, m.method = le.Uint16(dir[8:]), le.Uint16(dir[10:])
	m.crc, m.hasCRC = le.Uint32(dir[16:]), true
	packed, size64, offset := uint64(le.Uint32(dir[20:])), uint64(le.Uint32(dir[24:])), uint64(le.Uint32(dir[42:]))
	m.name = dir[size : size+name]
	for _, v := range zip64Values(dir[size+name:size+name+extra], &size64, &packed, &offset) {
		if v > 1<<62 {
			return m, nil, false
		}
	}
	m.size = int64(size64)
	m.locate(z, base, packed, offset)
	return m, dir[next:], true
}

// zip64Values replaces the values that say "see the extra field", in the order of that field.
func zip64Values(extra []byte, values ...*uint64) []uint64 {
	le := binary.LittleEndian
	var field []byte
	for len(extra) >= 4 {
		n := int(le.Uint16(extra[2:]))
		if n > len(extra)-4 {
			break
		}
		if le.Uint16(extra) == 1 {
			field = extra[4 : 4+n]
			break
		}
		extra = extra[4+n:]
	}
	out := make([]uint64, 0, len(values))
	for _, v := range values {
		if *v == 0xffffffff && len(field) >= 8 {
			*v, field = le.Uint64(field), field[8:]
		}
		out = append(out, *v)
	}
	return out
}

// locate finds the data of a member behind its local header.
func (m *zipMember) locate(z []byte, base int, packed, offset uint64) {
	const size = 30
	if uint64(len(z)-base) < size || offset > uint64(len(z)-base)-size || string(z[base+int(offset):][:4]) != zipLocal {
		m.damage = "zip member without a local header"
		return
	}
	local := z[base+int(offset):]
	start := size + int(binary.LittleEndian.Uint16(local[26:])) + int(binary.LittleEndian.Uint16(local[28:]))
	if start > len(local) || packed > uint64(len(local)-start) {
		m.damage = "zip member ends behind the archive"
		return
	}
	m.data = local[start : start+int(packed)]
}
