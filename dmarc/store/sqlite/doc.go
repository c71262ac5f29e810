// Package sqlite keeps a store in one file: SQLite without cgo.
//
//	s, err := store.Open(ctx, sqlite.File{Path: "dmarc.db"}, store.Config{})
//
// While it is open the file has two companions, -wal and -shm, without which it
// must not be copied. Other programs may read the file meanwhile; one process
// at a time can have it open as a store.
package sqlite
