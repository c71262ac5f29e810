package unpack

import "encoding/binary"

// huffman unpacks a compressed block until its end or until the output is full.
func (f *inflater) huffman() error {
	for {
		if end, err := f.fast(); end || err != nil {
			return err
		}
		if f.op > len(f.out)-slack {
			return nil
		}
		if len(f.in.buf)-f.in.pos < 8 {
			f.more()
		}
		if len(f.in.buf)-f.in.pos >= 8 {
			continue
		}
		if end, err := f.slow(); end || err != nil {
			return err
		}
		if f.op > len(f.out)-slack {
			return nil
		}
	}
}

// fast unpacks while there is enough input and room that neither has to be
// looked at within a symbol. end says that the block has ended.
func (f *inflater) fast() (end bool, err error) {
	in, out := f.in.buf, f.out
	pos, op, acc, n := f.in.pos, f.op, f.acc, f.n
	literals, offsets := &f.literals, &f.offsets
	limit := len(out) - slack
	for len(in)-pos >= 8 && op <= limit {
		// At least 56 bits: enough for a length and a distance of any code.
		acc |= binary.LittleEndian.Uint64(in[pos:]) << (n & 63)
		pos += int(63-n) >> 3
		n |= 56
		e := literals[acc&(1<<literalBits-1)]
		if e&entryLiteral != 0 {
			acc >>= e & 63
			n -= uint(e & 63)
			out[op] = byte(e >> 16)
			op++
			e = literals[acc&(1<<literalBits-1)]
			if e&entryLiteral != 0 {
				acc >>= e & 63
				n -= uint(e & 63)
				out[op] = byte(e >> 16)
				op++
				continue
			}
			if n < 48 {
				continue
			}
		}
		if e&entryRare != 0 {
			if e&entryLink != 0 {
				e = literals[uint(e>>16)+uint(acc>>literalBits)&(1<<(e>>8&31)-1)]
			}
			switch {
			case e&entryLiteral != 0:
				acc >>= e & 63
				n -= uint(e & 63)
				out[op] = byte(e >> 16)
				op++
				continue
			case e&entryEnd != 0:
				f.in.pos, f.op, f.acc, f.n = pos, op, acc>>(e&63), n-uint(e&63)
				f.step = (*inflater).block
				return true, nil
			case e&entryRare != 0:
				f.op = op // what came before the damage is good
				return false, corrupt()
			}
		}
		length := int(e>>16) + int(acc&(1<<(e&63)-1)>>(e>>8&31))
		acc >>= e & 63
		n -= uint(e & 63)
		e = offsets[acc&(1<<offsetBits-1)]
		if e&entryRare != 0 {
			if e&entryLink != 0 {
				e = offsets[uint(e>>16)+uint(acc>>offsetBits)&(1<<(e>>8&31)-1)]
			}
			if e&entryRare != 0 {
				f.op = op // what came before the damage is good
				return false, corrupt()
			}
		}
		distance := int(e>>16) + int(acc&(1<<(e&63)-1)>>(e>>8&31))
		acc >>= e & 63
		n -= uint(e & 63)
		if distance > op {
			f.op = op // what came before the damage is good
			return false, corrupt()
		}
		repeatBytes(out, op, distance, length)
		op += length
	}
	f.in.pos, f.op, f.acc, f.n = pos, op, acc, n
	return false, nil
}

// slow unpacks one symbol at the end of the input.
func (f *inflater) slow() (end bool, err error) {
	e, err := f.symbol(f.literals[:], literalBits)
	if err != nil {
		return false, err
	}
	switch {
	case e&entryLiteral != 0:
		f.out[f.op] = byte(e >> 16)
		f.op++
		return false, nil
	case e&entryEnd != 0:
		f.step = (*inflater).block
		return true, nil
	case e&entryRare != 0:
		return false, corrupt()
	}
	length, err := f.extra(e)
	if err != nil {
		return false, err
	}
	if e, err = f.symbol(f.offsets[:], offsetBits); err != nil {
		return false, err
	}
	if e&entryRare != 0 {
		return false, corrupt()
	}
	distance, err := f.extra(e)
	if err != nil {
		return false, err
	}
	if distance > f.op {
		return false, corrupt()
	}
	repeatBytes(f.out, f.op, distance, length)
	f.op += length
	return false, nil
}

// extra adds the extra bits behind the code of e to its base.
func (f *inflater) extra(e uint32) (int, error) {
	n := uint(e&63) - uint(e>>8&31)
	if err := f.need(n); err != nil {
		return 0, err
	}
	return int(e>>16) + int(f.take(n)), nil
}

// repeatBytes copies length bytes from distance before op. It may write up to
// seven bytes more, which the slack of out has room for.
func repeatBytes(out []byte, op, distance, length int) {
	const short = 32 // a call of memmove pays off from here on
	switch src, dst := out[op-distance:op], out[op:op+length+8]; {
	case length > short && distance >= length:
		copy(dst, src[:length])
	case length > short:
		for done := 0; done < length; { // what was copied is copied again
			done += copy(dst[done:length], out[op-distance:op+done])
		}
	case distance >= 8:
		src = out[op-distance:]
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(src[i:]))
		}
	default:
		src = out[op-distance:]
		for i := range dst[:length] {
			dst[i] = src[i]
		}
	}
}
