package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// bolt reads the files of bbolt, in which version 0.1.0 kept its state: a tree
// of pages for each bucket, and one for the names of buckets.
type bolt struct {
	file     io.ReaderAt
	pageSize int64
	root     uint64 // page of the bucket of buckets
	pages    uint64
}

const (
	boltMagic      = 0xED0CDAED
	boltHeader     = 16 // of a page
	boltElement    = 16
	boltMetaSize   = 64
	boltBucketSize = 16
	boltBranch     = 1
	boltLeaf       = 2
	boltMaxDepth   = 64
)

// isBolt reports whether a file that starts with head is one of bbolt.
func isBolt(head []byte) bool {
	return len(head) >= boltHeader+4 && binary.LittleEndian.Uint32(head[boltHeader:]) == boltMagic
}

var errBolt = errors.New("a page is damaged")

// openBolt reads the latest of the two meta pages that is whole.
func openBolt(file io.ReaderAt) (*bolt, error) {
	var latest *bolt
	last := uint64(0)
	read := func(at int64) {
		b := make([]byte, boltHeader+boltMetaSize)
		if _, err := file.ReadAt(b, at); err != nil {
			return
		}
		meta := b[boltHeader:]
		sum := fnv.New64a()
		sum.Write(meta[:boltMetaSize-8])
		u32, u64 := binary.LittleEndian.Uint32, binary.LittleEndian.Uint64
		txid := u64(meta[48:])
		if u32(meta) != boltMagic || u64(meta[56:]) != sum.Sum64() || latest != nil && txid < last {
			return
		}
		latest = &bolt{file, int64(u32(meta[8:])), u64(meta[16:]), u64(meta[40:])}
		last = txid
	}
	read(0)
	for size := int64(1024); size <= 65536; size *= 2 {
		if latest == nil || latest.pageSize == size {
			read(size)
		}
	}
	if latest == nil || latest.pageSize < 1024 || latest.pageSize > 65536 {
		return nil, errors.New("no meta page is whole")
	}
	return latest, nil
}

// page returns a page with those that it overflows to.
func (b *bolt) page(id uint64) ([]byte, error) {
	head := make([]byte, boltHeader)
	if id >= b.pages {
		return nil, errBolt
	}
	if _, err := b.file.ReadAt(head, int64(id)*b.pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	overflow := uint64(binary.LittleEndian.Uint32(head[12:]))
	if binary.LittleEndian.Uint64(head) != id || id+overflow >= b.pages {
		return nil, errBolt
	}
	page := make([]byte, int64(overflow+1)*b.pageSize)
	if _, err := b.file.ReadAt(page, int64(id)*b.pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return page, nil
}

// walk visits the leaves below a page.
func (b *bolt) walk(id uint64, depth int, visit func(flags uint32, k, v []byte) error) error {
	if depth > boltMaxDepth {
		return errBolt
	}
	page, err := b.page(id)
	if err != nil {
		return err
	}
	return b.elements(page, depth, visit)
}

// elements visits the elements of a page.
func (b *bolt) elements(page []byte, depth int, visit func(flags uint32, k, v []byte) error) error {
	if len(page) < boltHeader {
		return errBolt
	}
	u32 := binary.LittleEndian.Uint32
	kind, count := binary.LittleEndian.Uint16(page[8:]), int(binary.LittleEndian.Uint16(page[10:]))
	if kind != boltBranch && kind != boltLeaf || boltHeader+count*boltElement > len(page) {
		return errBolt
	}
	for i := range count {
		at := boltHeader + i*boltElement
		e := page[at:]
		if kind == boltBranch {
			if err := b.walk(binary.LittleEndian.Uint64(e[8:]), depth+1, visit); err != nil {
				return err
			}
			continue
		}
		from := uint64(u32(e[4:]))
		key := from + uint64(u32(e[8:]))
		if value := key + uint64(u32(e[12:])); value > uint64(len(e)) {
			return errBolt
		} else if err := visit(u32(e), e[from:key:key], e[key:value:value]); err != nil {
			return err
		}
	}
	return nil
}

// bucket visits the rows of a bucket; it reports whether there is one.
func (b *bolt) bucket(name string, visit func(k, v []byte) error) (found bool, err error) {
	row := func(flags uint32, k, v []byte) error {
		if flags != 0 {
			return errBolt
		}
		return visit(k, v)
	}
	err = b.walk(b.root, 0, func(flags uint32, k, v []byte) error {
		if string(k) != name {
			return nil
		}
		if flags != 1 || len(v) < boltBucketSize || found {
			return errBolt
		}
		found = true
		if root := binary.LittleEndian.Uint64(v); root != 0 {
			return b.walk(root, 0, row)
		}
		return b.elements(v[boltBucketSize:], 0, row)
	})
	return found, err
}
