package text

import "encoding/binary"

// AppendFields appends texts so that no two lists of them are the same bytes.
func AppendFields(b []byte, texts ...string) []byte {
	for _, s := range texts {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}
