package mime

import "bytes"

// Encoding is a content transfer encoding.
type Encoding uint8

// The encodings that change a body.
const (
	Base64 Encoding = iota
	Quoted          // quoted-printable
	UU              // uuencode
)

// Decode appends the decoded b to dst. wrong is the first thing in b that is
// not of the encoding, nil if there is none.
func (e Encoding) Decode(dst, b []byte) (out, wrong []byte) {
	var d Decoder
	d.Reset(e, b)
	return d.Append(dst, len(b)), d.Wrong()
}

// Decoder decodes a body piece by piece. The zero value is at the end of an
// empty one.
type Decoder struct {
	encoding Encoding
	rest     []byte // not decoded yet
	wrong    []byte
	base64   base64Decoder
	uu       uuDecoder
}

// Reset starts with another body, which must not change until its end.
func (d *Decoder) Reset(e Encoding, body []byte) {
	*d = Decoder{encoding: e, rest: body}
	switch e {
	case Base64:
		d.base64.reset(body)
	case UU:
		d.uu.reset(body)
	}
}

// Done reports whether all of the body is decoded.
func (d *Decoder) Done() bool { return len(d.rest) == 0 }

// Wrong is the first thing so far that is not of the encoding, nil if there is
// none. It is part of the body.
func (d *Decoder) Wrong() []byte { return d.wrong }

// Append appends what the next most bytes of the body decode to, or fewer, as it
// goes by lines where they are not longer than that.
func (d *Decoder) Append(dst []byte, most int) []byte {
	piece := d.piece(most)
	d.rest = d.rest[len(piece):]
	var wrong []byte
	switch d.encoding {
	case Base64:
		dst, wrong = d.base64.decode(dst, piece, d.Done())
	case Quoted:
		dst, wrong = decodeQuoted(dst, piece)
	case UU:
		dst, wrong = d.uu.decode(dst, piece)
		if d.uu.ended {
			d.rest = nil
		}
	}
	if d.wrong == nil {
		d.wrong = wrong
	}
	return dst
}

func (d *Decoder) piece(most int) []byte {
	b := d.rest
	if len(b) <= most {
		return b
	}
	if i := bytes.LastIndexByte(b[:most], '\n'); i >= 0 {
		return b[:i+1]
	}
	if d.encoding == Quoted {
		return cutQuoted(b, most)
	}
	return b[:most]
}

// withRoom returns dst with room for n more bytes, and for no others: what is
// decoded may be as large as a mail.
func withRoom(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	return append(make([]byte, 0, len(dst)+n), dst...)
}
