package unpack

// Balanced reports whether a walk left nothing behind that the next one would see.
func (w *Walker) Balanced() bool {
	return w.depth == 0 && w.held == 0 && w.mail == nil && len(w.path) == 0 && len(w.parts) == 0 && len(w.members) == 0
}

// Base64 is decodeBase64 into a new slice.
func Base64(b []byte) (out, junk []byte) { return decodeBase64(nil, b) }
