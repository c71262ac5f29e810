package unpack

import (
	"bytes"
	"encoding/binary"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// The compression methods that are read.
const (
	methodStored   = 0
	methodDeflated = 8
)

// The signatures of a zip archive.
const (
	zipLocal      = "PK\x03\x04"
	zipCentral    = "PK\x01\x02"
	zipDescriptor = "PK\x07\x08"
	zipEnd        = "PK\x05\x06"
	zip64End      = "PK\x06\x06"
	zip64Locator  = "PK\x06\x07"
)

// openZip goes through the members of a zip archive.
func (w *Walker) openZip(z []byte) error {
	first := len(w.members)
	defer func() { w.members = w.members[:first] }()
	if err := w.zipMembers(z, first); err != nil {
		return w.refuse(err)
	}
	return w.openMembers(first)
}

// zipMembers lists the members that are no directories.
func (w *Walker) zipMembers(z []byte, first int) error {
	d, ok := findDirectory(z)
	if !ok {
		return w.scanMembers(z, first)
	}
	if d.base > 0 {
		w.warn(CodeZipPrefix, z[:d.base])
	}
	if d.end < len(z) {
		w.warn(CodeZipSuffix, z[d.end:])
	}
	total := 0
	for entries := d.entries; len(entries) > 0; {
		m, rest, ok := parseEntry(z, entries, d.base)
		if !ok {
			w.members = w.members[:first]
			return w.scanMembers(z, first)
		}
		entries = rest
		if m.isDirectory() {
			continue
		}
		if total += len(m.data); total > len(z) {
			// A small archive that overlaps unpacks to a large one many times.
			return refusal(dmarc.ReasonCorrupt, "zip members overlap")
		}
		if err := w.addMember(first, m); err != nil {
			return err
		}
	}
	return nil
}

func (m *member) isDirectory() bool {
	return len(m.name) > 0 && m.name[len(m.name)-1] == '/' && m.size <= 0
}

// directory is the central directory of a zip archive.
type directory struct {
	entries []byte
	base    int // where offsets count from: behind what was put before the archive
	end     int // of the archive
}

// findDirectory finds the central directory. ok is false when it is damaged.
func findDirectory(z []byte) (d directory, ok bool) {
	const size, attempts = 22, 8
	le := binary.LittleEndian
	limit := len(z)
	for range attempts { // junk behind the archive may hold the signature, too
		at := bytes.LastIndex(z[:limit], []byte(zipEnd))
		if at < 0 {
			break
		}
		limit = at
		e := z[at:]
		if len(e) < size {
			continue
		}
		length, offset, start := uint64(le.Uint32(e[12:])), uint64(le.Uint32(e[16:])), at
		if n, o, s, ok := findEnd64(z, at); ok {
			length, offset, start = n, o, s
		}
		if length > uint64(start) || offset > uint64(start)-length {
			continue
		}
		d.entries = z[start-int(length) : start]
		d.base = start - int(length) - int(offset)
		d.end = min(at+size+int(le.Uint16(e[20:])), len(z))
		switch {
		case length > 0 && bytes.HasPrefix(d.entries, []byte(zipCentral)):
			return d, true
		case length == 0 && !bytes.Contains(z[:at], []byte(zipLocal)):
			return d, true // an empty archive
		}
	}
	return directory{}, false
}

// findEnd64 reads the zip64 end record that stands before the end record at.
func findEnd64(z []byte, at int) (length, offset uint64, start int, ok bool) {
	const locator, size = 20, 56
	le := binary.LittleEndian
	if at < locator+size || string(z[at-locator:][:4]) != zip64Locator {
		return 0, 0, 0, false
	}
	start = bytes.LastIndex(z[:at-locator], []byte(zip64End))
	if start < 0 || start+size > at {
		return 0, 0, 0, false
	}
	return le.Uint64(z[start+40:]), le.Uint64(z[start+48:]), start, true
}

// parseEntry reads the first of the entries of a central directory.
func parseEntry(z, entries []byte, base int) (m member, rest []byte, ok bool) {
	const size = 46
	le := binary.LittleEndian
	if len(entries) < size || string(entries[:4]) != zipCentral {
		return m, nil, false
	}
	name, extra, comment := int(le.Uint16(entries[28:])), int(le.Uint16(entries[30:])), int(le.Uint16(entries[32:]))
	if size+name+extra+comment > len(entries) {
		return m, nil, false
	}
	m.name = entries[size : size+name]
	m.encrypted, m.method = le.Uint16(entries[8:])&1 != 0, le.Uint16(entries[10:])
	m.crc, m.hasCRC = le.Uint32(entries[16:]), true
	packed, unpacked, offset := uint64(le.Uint32(entries[20:])), uint64(le.Uint32(entries[24:])), uint64(le.Uint32(entries[42:]))
	replace64(entries[size+name:size+name+extra], &unpacked, &packed, &offset)
	m.size = int64(min(unpacked, 1<<62))
	m.locate(z[base:], packed, offset)
	return m, entries[size+name+extra+comment:], true
}

// replace64 replaces the values that say so by those of the zip64 extra field,
// where they stand in this order.
func replace64(extra []byte, values ...*uint64) {
	const id, elsewhere = 1, 0xffffffff
	le := binary.LittleEndian
	for len(extra) >= 4 {
		n := int(le.Uint16(extra[2:]))
		if n > len(extra)-4 {
			return
		}
		field := extra[4 : 4+n]
		if le.Uint16(extra) == id {
			for _, v := range values {
				if *v == elsewhere && len(field) >= 8 {
					*v, field = le.Uint64(field), field[8:]
				}
			}
			return
		}
		extra = extra[4+n:]
	}
}

const zipLocalSize = 30

// locate finds the data of a member behind its local header.
func (m *member) locate(z []byte, packed, offset uint64) {
	if uint64(len(z)) < zipLocalSize || offset > uint64(len(z))-zipLocalSize || string(z[offset:][:4]) != zipLocal {
		m.damage = "zip member without a local header"
		return
	}
	z = z[offset:]
	start := zipLocalSize + int(binary.LittleEndian.Uint16(z[26:])) + int(binary.LittleEndian.Uint16(z[28:]))
	if start > len(z) || packed > uint64(len(z)-start) {
		m.damage, m.truncated = "zip ends inside a member", true
		return
	}
	m.data = z[start : start+int(packed)]
}
