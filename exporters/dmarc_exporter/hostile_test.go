package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// corpus is a collection of sample reports beside the repository.
const corpus = "../../../shared/corpus"

// What check may take for any file, however hostile.
const (
	mostMemory = 64 << 20
	mostBeside = 16 << 20 // by files that are read beside the one with the most
	mostTime   = 2 * time.Second
)

// TestHostile holds memory and time of the real program for hostile files,
// each alone and all in one call.
func TestHostile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems tell memory in other ways")
	}
	t.Parallel()
	binary, dir := realtest.Program(t, "dmarc_exporter"), t.TempDir()
	var all []string
	for name, content := range hostile(t) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, path)
	}
	found, _ := filepath.Glob(filepath.Join(corpus, "synthetic", "sec-*")) // The pattern is well formed.
	all = append(all, found...)
	for _, path := range all {
		measure(t, binary, mostMemory, mostTime, path)
	}
	measure(t, binary, mostMemory+mostBeside, time.Duration(len(all))*mostTime, all...)
}

// measure runs check and compares its memory and processor time with what it may take.
func measure(t *testing.T, binary string, memoryLimit int, limit time.Duration, paths ...string) {
	t.Helper()
	name := filepath.Base(paths[0])
	if len(paths) > 1 {
		name = fmt.Sprintf("%d files", len(paths))
	}
	var out bytes.Buffer
	cmd := exec.Command(binary, append([]string{"check", "--json"}, paths...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	memory := make(chan int)
	done := make(chan struct{})
	go func() { memory <- peakMemory(cmd.Process.Pid, done) }()
	_ = cmd.Wait() // Most files are refused.
	close(done)
	if lines := bytes.Count(out.Bytes(), []byte("\n")); lines < len(paths) {
		t.Errorf("%s: %d answers for %d files", name, lines, len(paths))
	}
	if bytes.Contains(out.Bytes(), []byte("internal error")) {
		t.Errorf("%s: %s", name, &out)
	}
	if peak := <-memory; peak > memoryLimit {
		t.Errorf("%s: %d MiB of memory, want at most %d", name, peak>>20, memoryLimit>>20)
	}
	if used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); used > limit {
		t.Errorf("%s: %s of processor time, want at most %s", name, used, limit)
	}
}

// peakMemory watches the peak of a process until it ends. What wait tells of
// memory is of no use: it starts with that of the parent.
func peakMemory(pid int, done <-chan struct{}) (peak int) {
	for {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // It may be gone.
		if _, rest, ok := strings.Cut(string(text), "VmHWM:"); ok {
			var kilobytes int
			if _, err := fmt.Sscan(rest, &kilobytes); err == nil {
				peak = max(peak, kilobytes<<10)
			}
		}
		select {
		case <-done:
			return peak
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// hostile makes files that ask for too much.
func hostile(t *testing.T) map[string][]byte {
	t.Helper()
	one := string(ingesttest.Report("x", 1))
	head, record, _ := strings.Cut(one, "<record>")
	record, foot, _ := strings.Cut(record, "</record>")
	record = "<record>" + record + "</record>"
	noise := make([]byte, 16<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	many := []byte(head + strings.Repeat(record, 20_000) + foot)
	zeros := make([]byte, 8<<20)
	manyGzip, bomb := gzipped(t, many), gzipped(t, zeros)
	largeMail := mailed(bytes.Repeat(many, 3)[:min(3*len(many), 17<<20)])
	return map[string][]byte{
		"many-records.xml":    many,
		"many-records.xml.gz": manyGzip,
		"many-records.eml":    mailed(manyGzip),
		"bomb.gz":             bomb,
		"bomb.gz.gz":          gzipped(t, bomb),
		"bomb.eml":            mailed(bomb),
		"noise.eml":           mailed(noise),
		"large-1.eml.gz":      gzipped(t, largeMail),
		"large-2.eml.gz":      gzipped(t, largeMail),
		"url-alphabet.eml":    inURLAlphabet(mailed(append([]byte(head+"<!-- ??? ~~~ -->\n"), bytes.Repeat([]byte(record), (17<<20)/len(record))...))),
		"quoted.eml":          quoted(bytes.Repeat(many, 3)[:min(3*len(many), 23<<20)]),
		"equals.eml":          quoted(bytes.Repeat([]byte("="), 23<<20)),
		"uuencoded.eml":       uuencoded(11 << 20),
		"noise.bin":           noise[:2<<20],
		"text.eml":            mailed(bytes.Repeat(many, 2)[:min(2*len(many), 16<<20)]),
		"many-domains.xml":    []byte(head + manyDomains(record, 8_000) + foot),
		"long-value.xml":      []byte(strings.Replace(one, "Example Mail Corp", strings.Repeat("E", 6<<20), 1)),
		"warnings.xml":        []byte(head + strings.Repeat(strings.Replace(record, "<count>1", "<count>x", 1), 8_000) + foot),
		"deep.xml":            []byte(strings.Repeat("<feedback>", 1<<16)),
		"many-members.zip":    zipped(t, 2_000),
		"mbox":                []byte(strings.Repeat("From a@b.example Tue Nov 24 00:00:00 2026\nFrom: a@b.example\n\n"+one+"\n\n", 4_000)),
	}
}

func manyDomains(record string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Replace(record, "<header_from>example.com", fmt.Sprintf("<header_from>h%d.example", i), 1))
	}
	return b.String()
}

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func mailed(content []byte) []byte {
	const line = 48 << 10
	var b bytes.Buffer
	b.WriteString("From: a@b.example\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	for chunk := range slices.Chunk(content, line) {
		b.WriteString(base64.StdEncoding.EncodeToString(chunk) + "\r\n")
	}
	return b.Bytes()
}

// inURLAlphabet changes the alphabet of a mail in base64.
func inURLAlphabet(mail []byte) []byte {
	head, body, _ := bytes.Cut(mail, []byte("\r\n\r\n"))
	body = bytes.ReplaceAll(bytes.ReplaceAll(body, []byte("+"), []byte("-")), []byte("/"), []byte("_"))
	return slices.Concat(head, []byte("\r\n\r\n"), body)
}

func quoted(content []byte) []byte {
	return append([]byte("From: a@b.example\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"), content...)
}

// uuencoded makes a mail with lines that claim to hold 45 bytes each.
func uuencoded(lines int) []byte {
	const head = "From: a@b.example\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a.xml\r\n" +
		"*/&9E961B86-K/@  \n" // <feedback>
	return append([]byte(head), bytes.Repeat([]byte("M\n"), lines)...)
}

func zipped(t *testing.T, members int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range members {
		if _, err := w.Create(fmt.Sprintf("%d.xml", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
