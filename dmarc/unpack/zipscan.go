package unpack

import (
	"bytes"
	"encoding/binary"
)

// scanMembers lists the members of a zip whose directory is missing or damaged
// by their local headers.
func (w *Walker) scanMembers(z []byte, first int) error {
	w.warn(CodeZipNoDirectory, nil)
	for directories := 0; ; {
		i := bytes.Index(z, []byte(zipLocal))
		if i < 0 {
			return nil
		}
		m, rest, ok := parseLocal(z[i:])
		if !ok {
			z = z[i+len(zipLocal):]
			continue
		}
		z = rest
		if m.isDirectory() && directories < w.limits.Members {
			directories++
			continue
		}
		if err := w.addMember(first, m); err != nil {
			return err
		}
	}
}

// parseLocal reads a local header and finds the end of its data.
func parseLocal(z []byte) (m member, rest []byte, ok bool) {
	le := binary.LittleEndian
	if len(z) < zipLocalSize {
		return m, nil, false
	}
	name := int(le.Uint16(z[26:]))
	start := zipLocalSize + name + int(le.Uint16(z[28:]))
	flags := le.Uint16(z[6:])
	m.encrypted, m.method = flags&1 != 0, le.Uint16(z[8:])
	if start > len(z) || m.method > 99 {
		return m, nil, false // the signature stands there by chance
	}
	m.name = z[zipLocalSize : zipLocalSize+name]
	m.crc, m.hasCRC, m.size = le.Uint32(z[14:]), true, int64(le.Uint32(z[22:]))
	packed, data := uint64(le.Uint32(z[18:])), z[start:]
	if flags&8 != 0 && packed == 0 {
		rest = m.findDescriptor(data)
		return m, rest, true
	}
	if packed > uint64(len(data)) {
		packed = uint64(len(data))
		m.cut()
	}
	m.data = data[:packed]
	return m, data[packed:], true
}

// findDescriptor finds the end of data whose size stands behind it, where the
// next header starts at the latest. The size tells a descriptor from its
// signature by chance.
func (m *member) findDescriptor(data []byte) (rest []byte) {
	const size = 16
	le := binary.LittleEndian
	m.size, m.hasCRC = -1, false
	end := len(data)
	for at := 0; end == len(data); at += len("PK") {
		i := bytes.Index(data[at:], []byte("PK"))
		if at += i; i < 0 || len(data)-at < size {
			break
		}
		switch d := data[at:]; string(d[:4]) {
		case zipDescriptor:
			if uint64(le.Uint32(d[8:])) == uint64(at) {
				m.crc, m.hasCRC, m.size = le.Uint32(d[4:]), true, int64(le.Uint32(d[12:]))
				m.data = data[:at]
				return d[size:]
			}
		case zipLocal, zipCentral, zipEnd:
			end = at
		}
	}
	m.cut()
	m.data = data[:end]
	return data[end:]
}

// cut notes that the end of the data is not known, which deflated data tells itself.
func (m *member) cut() {
	if m.method == methodStored {
		m.truncated, m.damage = true, "zip ends inside a member"
	}
}
