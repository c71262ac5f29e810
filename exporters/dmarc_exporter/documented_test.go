package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

// TestDocumentedCommands parses each command line of dmarc_exporter in the documents:
// in blocks, where lines may go on after a backslash, and in spans of code, which
// may leave arguments out.
func TestDocumentedCommands(t *testing.T) {
	var pages []string
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2) {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".md" && filepath.Base(path) != "CHANGELOG.md" {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?m)^[ >]*(?:[$#] )?(?:exec |sudo )?(?:/usr/(?:local/)?bin/)?dmarc_exporter +(.+)$`)
	span := regexp.MustCompile("`(?:\\S+/)?dmarc_exporter ([^`]+)`")
	found := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		joined := strings.ReplaceAll(string(text), "\\\n", " ")
		for _, m := range append(block.FindAllStringSubmatch(joined, -1), span.FindAllStringSubmatch(joined, -1)...) {
			found++
			args := shellWords(m[1])
			var out bytes.Buffer
			app, _ := newApp()
			_, code, ok := exporter.Parse(app, args, &out, &out)
			incomplete := strings.Contains(out.String(), "required argument") || strings.Contains(out.String(), "needs a word more")
			if !ok && code != exitOK && !incomplete {
				t.Errorf("%s: dmarc_exporter %s: %s", page, m[1], out.String())
			}
		}
	}
	if found < 20 {
		t.Errorf("%d commands in %d pages, want at least 20", found, len(pages))
	}
}

// shellWords are the words of a simple command up to what the shell does with it.
func shellWords(line string) (words []string) {
	for _, word := range regexp.MustCompile(`(?:[^\s"']|"[^"]*"|'[^']*')+`).FindAllString(line, -1) {
		if strings.ContainsAny(word[:1], "|>&#;") || word == "2>&1" {
			break
		}
		words = append(words, strings.NewReplacer(`"`, "", `'`, "").Replace(word))
	}
	return words
}
