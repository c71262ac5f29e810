package unpack

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// inflater is a reader of deflate streams (RFC 1951). It reads its input's
// buffer directly and leaves the input exactly behind the stream; its tables
// and its window are reused for the next stream. That makes it several times
// as fast as compress/flate on small reports.
type inflater struct {
	in   *input
	acc  uint64 // the next bits of the input; those above n are not valid yet or repeat input
	n    uint   // valid bits in acc
	out  []byte // the window and, behind it, what was unpacked
	op   int    // end of what was unpacked
	rp   int    // out[:rp] was read
	todo int    // of a stored block: bytes still to copy
	step func(*inflater) error
	last bool // the current block is the last one
	err  error

	fixed    bool // the tables are those of fixedTables
	literals [literalSize]uint32
	offsets  [offsetSize]uint32
	lengths  [lengthSize]uint32
	code     [maxLiteral + maxOffset]uint8
	symbols  symbolEntries
}

// symbolEntries are the table entries of all symbols without their codes.
type symbolEntries struct {
	ready    bool
	literals [maxLiteral]uint32
	offsets  [maxOffset]uint32
	lengths  [19]uint32
}

const (
	windowSize = 32 << 10        // how far back distances reach
	longest    = 258             // longest match
	slack      = 1 + longest + 8 // a literal and a match before the room is looked at again
	outSize    = 2*windowSize + slack
)

// lengthOrder is the order of the code lengths of the code of code lengths.
var lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// reset prepares f for the stream at the start of in.
func (f *inflater) reset(in *input) {
	f.in, f.acc, f.n, f.op, f.rp, f.todo, f.last, f.err = in, 0, 0, 0, 0, 0, false, nil
	f.step = (*inflater).block
	if f.out == nil {
		f.out = make([]byte, outSize)
	}
	if s := &f.symbols; !s.ready {
		s.ready = true
		for i := range s.literals {
			s.literals[i] = literalEntry(i)
		}
		for i := range s.offsets {
			s.offsets[i] = offsetEntry(i)
		}
		for i := range s.lengths {
			s.lengths[i] = uint32(i) << 16
		}
	}
}

// Read implements io.Reader. It returns io.EOF behind the last block.
func (f *inflater) Read(p []byte) (int, error) {
	for f.rp == f.op {
		if f.err != nil {
			return 0, f.err
		}
		if f.op > windowSize {
			f.op = copy(f.out, f.out[f.op-windowSize:f.op])
			f.rp = f.op
		}
		f.err = f.step(f)
	}
	n := copy(p, f.out[f.rp:f.op])
	f.rp += n
	if f.rp == f.op && f.err != nil {
		return n, f.err
	}
	return n, nil
}

// more gets more input behind what is not used yet.
func (f *inflater) more() bool {
	f.giveBack()
	return f.in.fill()
}

// giveBack returns whole bytes of acc to the input.
func (f *inflater) giveBack() {
	f.in.pos -= int(f.n >> 3)
	f.n &= 7
	f.acc &= 1<<f.n - 1
}

// need gets at least n bits into acc.
func (f *inflater) need(n uint) error {
	for f.n < n {
		in := f.in
		if len(in.buf)-in.pos >= 8 {
			f.acc |= binary.LittleEndian.Uint64(in.buf[in.pos:]) << f.n
			in.pos += int(63-f.n) >> 3
			f.n |= 56
			return nil
		}
		if in.pos == len(in.buf) && !f.more() {
			return f.ended()
		}
		if in.pos < len(in.buf) {
			f.acc |= uint64(in.buf[in.pos]) << f.n
			in.pos++
			f.n += 8
		}
	}
	return nil
}

// ended is the error for an input that ends inside the stream.
func (f *inflater) ended() error {
	if err := f.in.end(); !errors.Is(err, io.EOF) {
		return err
	}
	return refusal(dmarc.ReasonTruncated, "compressed data ends early")
}

// take removes n bits from acc, which has them.
func (f *inflater) take(n uint) uint {
	v := uint(f.acc & (1<<n - 1))
	f.acc >>= n
	f.n -= n
	return v
}

var errDeflate = errors.New("compressed data is damaged")

func corrupt() error { return &dmarc.Error{Reason: dmarc.ReasonCorrupt, Offset: -1, Err: errDeflate} }

// block reads the header of a block.
func (f *inflater) block() error {
	if f.last {
		f.giveBack()
		return io.EOF
	}
	if err := f.need(3); err != nil {
		return err
	}
	f.last = f.take(1) == 1
	switch f.take(2) {
	case 0:
		return f.stored()
	case 1:
		f.fixedTables()
		f.step = (*inflater).huffman
		return nil
	case 2:
		f.step = (*inflater).huffman
		return f.dynamicTables()
	default:
		return corrupt()
	}
}

// stored reads the header of a block that is not compressed.
func (f *inflater) stored() error {
	f.take(f.n & 7)
	if err := f.need(32); err != nil {
		return err
	}
	size, check := f.take(16), f.take(16)
	if size != ^check&0xffff {
		return corrupt()
	}
	f.todo, f.step = int(size), (*inflater).copyStored
	return nil
}

func (f *inflater) copyStored() error {
	f.giveBack()
	for f.todo > 0 && f.op < len(f.out) {
		b := f.in.buf[f.in.pos:]
		if len(b) == 0 {
			if !f.in.fill() {
				return f.ended()
			}
			continue
		}
		n := copy(f.out[f.op:], b[:min(len(b), f.todo)])
		f.op += n
		f.todo -= n
		f.in.pos += n
	}
	if f.todo == 0 {
		f.step = (*inflater).block
	}
	return nil
}

// fixedTables makes the tables of RFC 1951, section 3.2.6.
func (f *inflater) fixedTables() {
	if f.fixed {
		return
	}
	f.fixed = true
	for i := range f.code {
		switch {
		case i < 144:
			f.code[i] = 8
		case i < 256:
			f.code[i] = 9
		case i < 280:
			f.code[i] = 7
		case i < maxLiteral:
			f.code[i] = 8
		default:
			f.code[i] = 5
		}
	}
	f.tables(maxLiteral, maxOffset) // always a code
}

// dynamicTables reads the tables of a block.
func (f *inflater) dynamicTables() error {
	f.fixed = false
	if err := f.need(14); err != nil {
		return err
	}
	literals, offsets, lengths := int(f.take(5))+257, int(f.take(5))+1, int(f.take(4))+4
	if literals > 286 || offsets > 30 {
		return corrupt()
	}
	var code [19]uint8
	for i := range lengths {
		if err := f.need(3); err != nil {
			return err
		}
		code[lengthOrder[i]] = uint8(f.take(3))
	}
	if !buildTable(f.lengths[:], lengthBits, code[:], f.symbols.lengths[:]) {
		return corrupt()
	}
	if err := f.codeLengths(literals + offsets); err != nil {
		return err
	}
	if !f.tables(literals, offsets) {
		return corrupt()
	}
	return nil
}

// codeLengths reads total code lengths, which are compressed themselves
// (RFC 1951, section 3.2.7).
func (f *inflater) codeLengths(total int) error {
	for i := 0; i < total; {
		e, err := f.symbol(f.lengths[:], lengthBits)
		if err != nil {
			return err
		}
		sym := e >> 16
		if sym < 16 {
			f.code[i] = uint8(sym)
			i++
			continue
		}
		if err := f.need(7); err != nil {
			return err
		}
		var value uint8
		var n int
		switch sym {
		case 16:
			if i == 0 {
				return corrupt()
			}
			value, n = f.code[i-1], 3+int(f.take(2))
		case 17:
			n = 3 + int(f.take(3))
		default:
			n = 11 + int(f.take(7))
		}
		if i+n > total {
			return corrupt()
		}
		for range n {
			f.code[i] = value
			i++
		}
	}
	return nil
}

func (f *inflater) tables(literals, offsets int) bool {
	return buildTable(f.literals[:], literalBits, f.code[:literals], f.symbols.literals[:]) &&
		buildTable(f.offsets[:], offsetBits, f.code[literals:literals+offsets], f.symbols.offsets[:])
}

// symbol decodes one code, however little input is left, and consumes it
// without its extra bits.
func (f *inflater) symbol(table []uint32, tableBits uint) (uint32, error) {
	for {
		e := table[f.acc&(1<<tableBits-1)]
		if e&entryLink != 0 {
			e = table[uint(e>>16)+uint(f.acc>>tableBits)&(1<<(e>>8&31)-1)]
		}
		// Where acc has too few bits, zeros or the true ones stand above them:
		// the code that is found is the right one when it is not longer than n.
		if code := uint(e >> 8 & 31); code > 0 && code <= f.n {
			f.take(code)
			return e, nil
		}
		if f.n >= maxCode {
			return 0, corrupt()
		}
		if err := f.need(f.n + 1); err != nil {
			return 0, err
		}
	}
}
