package unpack

import (
	"bytes"
	"encoding/binary"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

const tarBlock = 512

// openTar goes through the regular files of a tar archive of any flavour. Long
// names and other attributes are left out, since names are only hints.
func (w *Walker) openTar(b []byte) error {
	first := len(w.members)
	defer func() { w.members = w.members[:first] }()
	damage := w.tarMembers(b, first)
	if err := w.openMembers(first); err != nil {
		return err
	}
	return w.refuse(damage)
}

// tarMembers lists the members up to the end of the archive or to damage.
func (w *Walker) tarMembers(b []byte, first int) error {
	for len(b) >= tarBlock && b[0] != 0 {
		h := b[:tarBlock]
		if !isTar(h) {
			return refusal(dmarc.ReasonCorrupt, "tar header checksum is wrong")
		}
		b = b[tarBlock:]
		name, _, _ := bytes.Cut(h[:100], []byte{0})
		m := member{name: name, size: -1}
		size := tarNumber(h[124:136])
		if size > int64(len(b)) {
			m.truncated, m.damage = true, "tar ends early"
			size = int64(len(b))
		}
		m.data = b[:size]
		b = b[min(int64(len(b)), (size+tarBlock-1)&^(tarBlock-1)):]
		if t := h[156]; t != 0 && t != '0' && t != '7' {
			continue // a directory, a link, an attribute or a sparse file
		}
		if len(name) > 0 && name[len(name)-1] == '/' {
			continue // a directory of the oldest tars
		}
		if err := w.addMember(first, m); err != nil {
			w.members = w.members[:first]
			return err
		}
	}
	if len(b) > 0 && len(b) < tarBlock && len(bytes.Trim(b, "\x00")) > 0 {
		return refusal(dmarc.ReasonTruncated, "tar ends early")
	}
	return nil
}

// tarNumber reads an octal number, or a binary one as GNU tar writes them.
func tarNumber(b []byte) int64 {
	if b[0]&0x80 != 0 {
		return int64(binary.BigEndian.Uint64(b[len(b)-8:]) & (1<<63 - 1))
	}
	var n int64
	for _, c := range b {
		if c >= '0' && c <= '7' {
			n = n<<3 | int64(c-'0')
		}
	}
	return n
}
