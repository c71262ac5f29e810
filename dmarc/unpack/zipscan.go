package unpack

import (
	"bytes"
	"encoding/binary"
)

// scanMembers lists the members of a zip without an intact directory by their
// local headers.
func (w *Walker) scanMembers(z []byte) ([]zipMember, error) {
	var members []zipMember
	for {
		i := bytes.Index(z, []byte(zipLocal))
		if i < 0 {
			return members, nil
		}
		m, rest, ok := parseLocal(z[i:])
		if !ok {
			z = z[i+len(zipLocal):]
			continue
		}
		z = rest
		if m.isDirectory() {
			continue
		}
		members = append(members, m)
		if len(members) > w.limits.Members {
			return nil, w.tooManyMembers()
		}
	}
}

// parseLocal reads a local header and finds the end of its data.
func parseLocal(z []byte) (m zipMember, rest []byte, ok bool) {
	const size = 30
	le := binary.LittleEndian
	if len(z) < size {
		return m, nil, false
	}
	m.flags, m.method = le.Uint16(z[6:]), le.Uint16(z[8:])
	start := size + int(le.Uint16(z[26:])) + int(le.Uint16(z[28:]))
	if start > len(z) || m.method > 99 {
		return m, nil, false
	}
	m.name = z[size : size+int(le.Uint16(z[26:]))]
	packed := uint64(le.Uint32(z[18:]))
	m.size, m.crc, m.hasCRC = int64(le.Uint32(z[22:])), le.Uint32(z[14:]), true
	data := z[start:]
	if m.flags&8 == 0 || packed > 0 {
		if packed > uint64(len(data)) {
			packed = uint64(len(data)) // cut: the end of the data tells
		}
		m.data = data[:packed]
		return m, data[packed:], true
	}
	m.size, m.hasCRC = -1, false
	m.data, rest = m.findDescriptor(data)
	return m, rest, true
}

// findDescriptor ends data whose size stands behind it. The descriptor states
// that size, so that its signature is not found by chance.
func (m *zipMember) findDescriptor(data []byte) (own, rest []byte) {
	const size = 16
	le := binary.LittleEndian
	for at := 0; ; at += 4 {
		i := bytes.Index(data[at:], []byte("PK\x07\x08"))
		if i < 0 || len(data)-at-i < size {
			break
		}
		at += i
		if d := data[at:]; uint64(le.Uint32(d[8:])) == uint64(at) {
			m.crc, m.hasCRC, m.size = le.Uint32(d[4:]), true, int64(le.Uint32(d[12:]))
			return data[:at], d[size:]
		}
	}
	// Without a descriptor the compressed data has to know its own end.
	if i := bytes.Index(data, []byte(zipLocal)); i >= 0 {
		return data[:i], data[i:]
	}
	return data, nil
}
