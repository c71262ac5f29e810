// Package config reads the configuration files of all binaries, strictly: a
// key that is unknown or given twice is an error, and so is a second document.
// Errors name the file, the line and the key, and never hold a value that may
// be a secret.
//
// A type that is part of a configuration may have a method Check() error,
// which is called when it was read. Its error gets the place in the file, too.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dmarc-suite/dmarc-suite/internal/yamlsyntax"
)

// Error is a mistake in a configuration file.
type Error struct {
	File string
	Line int    // 0 when it is not known
	Key  string // such as sources.imap[0].poll; "" for the whole file
	Err  error
}

// Error returns the mistake and where it is.
func (e *Error) Error() string {
	text := e.File + ": "
	if e.Line > 0 {
		text += "line " + strconv.Itoa(e.Line) + ": "
	}
	if e.Key != "" {
		text += e.Key + ": "
	}
	return text + e.Err.Error()
}

// Unwrap returns the mistake without its place.
func (e *Error) Unwrap() error { return e.Err }

// File is a configuration file that was read. It knows where its keys are.
type File struct {
	path  string
	lines map[string]int
}

// Wrap gives an error the place of a key in the file, such as sources.imap[0].
func (f *File) Wrap(key string, err error) error {
	if err == nil || f == nil {
		return err
	}
	return &Error{File: f.path, Line: f.line(key), Key: key, Err: err}
}

// line returns the line of a key, or of the nearest one around it that is there.
func (f *File) line(key string) int {
	for {
		line := f.lines[key]
		if line > 0 || key == "" {
			return line
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
}

// Has reports whether the file has a key; a nil File has none.
func (f *File) Has(key string) bool { return f != nil && f.lines[key] > 0 }

// At makes the error of a method Check one about the key with that name, such as poll.
func At(key string, err error) error { return &atKey{key, err} }

type atKey struct {
	key string
	err error
}

func (a *atKey) Error() string { return a.key + ": " + a.err.Error() }

func (a *atKey) Unwrap() error { return a.err }

// Load decodes a file into a struct. An empty path reads nothing and returns a
// nil File. Several mistakes come as one error with a line for each.
func Load(path string, into any) (*File, error) {
	if path == "" {
		return nil, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return Parse(path, content, into)
}

// Parse decodes the content of a file, as Load does.
func Parse(path string, content []byte, into any) (*File, error) {
	d := &decoder{file: &File{path: path, lines: map[string]int{}}, dir: filepath.Dir(path)}
	root, err := parse(content)
	if e, ok := errors.AsType[*Error](err); ok {
		e.File = path
		return nil, e
	} else if err != nil {
		line, mistake := yamlsyntax.Mistake(content, err)
		return nil, &Error{File: path, Line: line, Err: mistake}
	}
	d.value(root, reflect.ValueOf(into).Elem(), "")
	if len(d.errors) > 0 {
		slices.SortStableFunc(d.errors, func(a, b *Error) int { return a.Line - b.Line })
		all := make([]error, len(d.errors))
		for i, e := range d.errors {
			all[i] = e
		}
		return nil, errors.Join(all...)
	}
	return d.file, nil
}

// parse returns the one document of a file.
func parse(content []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.MappingNode, Line: 1}, nil
	case err != nil:
		return nil, err
	}
	root := document.Content[0]
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, &Error{Line: second.Line, Err: errors.New("a second document begins here, a configuration is a single one")}
	}
	if root.ShortTag() == nullTag {
		return &yaml.Node{Kind: yaml.MappingNode, Line: root.Line}, nil
	}
	return root, nil
}
