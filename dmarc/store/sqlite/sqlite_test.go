package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store/internal/storetest"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

func TestConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, world)
}

func world(t testing.TB) storetest.World {
	file := File{Path: path(t)}
	return storetest.World{
		Engine: file, RecordBytes: 110, Schema1: []string{"PRAGMA user_version = 1"},
		Alter: func(t testing.TB, statement string) { alter(t, file.Path, statement) },
		Query: func(t testing.TB, text string) [][]string { return query(t, file.Path, text) },
		Plan: func(t testing.TB, text string) string {
			return fmt.Sprint(query(t, file.Path, "EXPLAIN QUERY PLAN "+text))
		},
		Scan: "SCAN k",
	}
}

func TestCopy(t *testing.T) {
	t.Parallel()
	storetest.Copy(t, world(t), world(t))
}

func TestCopyDamaged(t *testing.T) {
	t.Parallel()
	storetest.CopyDamaged(t, world(t), world(t))
}

func TestMerge(t *testing.T) {
	t.Parallel()
	storetest.Merge(t, world(t), world(t), world(t))
}

func TestLacks(t *testing.T) {
	t.Parallel()
	storetest.Lacks(t, world(t), world(t))
}

// path returns the path of a file that is yet to be made, with characters that a URL would take for its own.
func path(t testing.TB) string { return filepath.Join(t.TempDir(), "a state?mode=ro#50%.db") }

// alter changes a file behind the back of the store.
func alter(t testing.TB, path, statement string) {
	t.Helper()
	c, err := connect(dsn(path, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.exec(statement); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
}

// query returns the rows of a query as texts.
func query(t testing.TB, path, query string) (rows [][]string) {
	t.Helper()
	c, err := connect(dsn(path, 0))
	if err != nil {
		t.Fatal(err)
	}
	err = c.query(func(values []driver.Value) error {
		var row []string
		for _, v := range values {
			switch v := v.(type) {
			case nil:
				row = append(row, "")
			case []byte:
				row = append(row, string(v))
			default:
				row = append(row, fmt.Sprint(v))
			}
		}
		rows = append(rows, row)
		return nil
	}, query)
	if err := errors.Join(err, c.close()); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return rows
}

func BenchmarkCommit(b *testing.B) {
	storetest.BenchmarkCommit(b, func(b testing.TB) storetest.World { return storetest.World{Engine: File{Path: path(b)}} })
}

// TestStartAtOnce starts several processes on the same file, new or old: one of
// them makes or migrates it and writes, the others are told so.
func TestStartAtOnce(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{"new": path(t), "of version 0.1.0": old(t, "v0.1.0.db.gz")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.StartAtOnce(t, File{Path: file}, tally.Config{Signers: true})
		})
	}
}
