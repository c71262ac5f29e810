package kitlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/collectors/kitlog"
)

func TestSlogtest(t *testing.T) {
	var b bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		b.Reset()
		return kitlog.New(log.NewJSONLogger(&b), kitlog.Config{Time: true})
	}, func(t *testing.T) map[string]any {
		var flat map[string]any
		if err := json.Unmarshal(b.Bytes(), &flat); err != nil {
			t.Fatal(err)
		}
		return nested(flat)
	})
}

// nested undoes the dotted keys and names the time as slog does.
func nested(flat map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range flat {
		if k == "ts" {
			k = slog.TimeKey
		}
		m := out
		path := strings.Split(k, ".")
		for _, group := range path[:len(path)-1] {
			if _, ok := m[group]; !ok {
				m[group] = map[string]any{}
			}
			m = m[group].(map[string]any)
		}
		m[path[len(path)-1]] = v
	}
	return out
}

// secret logs itself as something else.
type secret string

func (secret) LogValue() slog.Value {
	return slog.GroupValue(slog.String("kind", "password"), slog.Int("length", 3))
}

// broken panics when it is logged.
type broken struct{}

func (broken) LogValue() slog.Value { panic("no value") }

func TestHandle(t *testing.T) {
	tests := []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"levels", func(l *slog.Logger) { l.Warn("hello") }, `level=warn msg=hello`},
		{"between levels", func(l *slog.Logger) { l.Log(context.Background(), slog.LevelInfo+2, "x") }, `level=info msg=x`},
		{"above error", func(l *slog.Logger) { l.Log(context.Background(), slog.LevelError+4, "x") }, `level=error msg=x`},
		{"below debug", func(l *slog.Logger) { l.Log(context.Background(), slog.LevelDebug-4, "x") }, `level=debug msg=x`},
		{"kinds", func(l *slog.Logger) {
			l.Info("x", "s", "a b", "i", -1, "u", uint64(1), "f", 1.5, "b", true, "d", 1500*time.Millisecond, "t", time.Unix(0, 0).UTC())
		}, `level=info msg=x s="a b" i=-1 u=1 f=1.5 b=true d=1.5s t=1970-01-01T00:00:00Z`},
		{"error", func(l *slog.Logger) { l.Error("x", "err", fmt.Errorf("open: %w", errors.New("no file"))) }, `level=error msg=x err="open: no file"`},
		{"nil", func(l *slog.Logger) { l.Info("x", "err", nil) }, `level=info msg=x err=null`},
		{"nil pointer", func(l *slog.Logger) { l.Info("x", "p", (*time.Location)(nil)) }, `level=info msg=x p=UTC`},
		{"nil error pointer", func(l *slog.Logger) { l.Info("x", "p", (*json.SyntaxError)(nil)) }, `level=info msg=x p=null`},
		{"text marshaler", func(l *slog.Logger) { l.Info("x", "ip", netip.MustParseAddr("::1")) }, `level=info msg=x ip=::1`},
		{"slice, map, struct", func(l *slog.Logger) {
			l.Info("x", "s", []string{"a", "b"}, "m", map[string]int{"k": 1}, "t", struct{ A int }{1}, "p", &struct{ A int }{1})
		}, `level=info msg=x s="[a b]" m=map[k:1] t={A:1} p=&{A:1}`},
		{"group", func(l *slog.Logger) { l.Info("x", slog.Group("http", "status", 200, slog.Group("tls", "v", 3))) }, `level=info msg=x http.status=200 http.tls.v=3`},
		{"empty group", func(l *slog.Logger) { l.Info("x", slog.Group("http"), "a", 1) }, `level=info msg=x a=1`},
		{"inline group", func(l *slog.Logger) { l.Info("x", slog.Group("", "a", 1)) }, `level=info msg=x a=1`},
		{"with", func(l *slog.Logger) {
			l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").Info("x", "c", 3)
		}, `level=info msg=x a=1 g.b=2 g.h.c=3`},
		{"with nothing", func(l *slog.Logger) { l.With().WithGroup("").Info("x") }, `level=info msg=x`},
		{"log valuer", func(l *slog.Logger) { l.Info("x", "secret", secret("abc")) }, `level=info msg=x secret.kind=password secret.length=3`},
		{"empty attribute", func(l *slog.Logger) { l.LogAttrs(context.Background(), slog.LevelInfo, "x", slog.Attr{}) }, `level=info msg=x`},
		{"empty key", func(l *slog.Logger) { l.Info("x", "", 1, " = ", 2) }, `level=info msg=x !EMPTY=1 !EMPTY=2`},
		{"odd arguments", func(l *slog.Logger) { l.Info("x", []any{"a"}...) }, `level=info msg=x !BADKEY=a`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			test.log(slog.New(kitlog.New(log.NewLogfmtLogger(&b), kitlog.Config{})))
			if diff := cmp.Diff(test.want+"\n", b.String()); diff != "" {
				t.Errorf("wrong line (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPanickingLogValuer(t *testing.T) {
	var b bytes.Buffer
	slog.New(kitlog.New(log.NewLogfmtLogger(&b), kitlog.Config{})).Info("x", "v", broken{})
	if !strings.HasPrefix(b.String(), "level=info msg=x v=") {
		t.Errorf("got %q, want the line in spite of the panic", &b)
	}
}

func TestSiblingsDoNotShareAttributes(t *testing.T) {
	var b bytes.Buffer
	parent := slog.New(kitlog.New(log.NewLogfmtLogger(&b), kitlog.Config{})).With("a", 1, "b", 2, "c", 3)
	first, second := parent.With("d", "first"), parent.With("d", "second")
	first.Info("x")
	second.Info("x")
	want := "level=info msg=x a=1 b=2 c=3 d=first\nlevel=info msg=x a=1 b=2 c=3 d=second\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("wrong lines (-want +got):\n%s", diff)
	}
}

func TestLevels(t *testing.T) {
	t.Run("filter of the host", func(t *testing.T) {
		var b bytes.Buffer
		l := slog.New(kitlog.New(level.NewFilter(log.NewLogfmtLogger(&b), level.AllowWarn()), kitlog.Config{}))
		l.Info("quiet")
		l.Warn("loud")
		if got, want := b.String(), "level=warn msg=loud\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("of the handler", func(t *testing.T) {
		var b bytes.Buffer
		var least slog.LevelVar
		l := slog.New(kitlog.New(log.NewLogfmtLogger(&b), kitlog.Config{Level: &least}))
		if l.Enabled(context.Background(), slog.LevelDebug) {
			t.Error("debug is enabled below the least level")
		}
		least.Set(slog.LevelDebug)
		l.Debug("heard")
		if got, want := b.String(), "level=debug msg=heard\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestTimeAndCaller(t *testing.T) {
	var b bytes.Buffer
	h := kitlog.New(log.NewLogfmtLogger(&b), kitlog.Config{Time: true, Caller: true})
	slog.New(h).Info("x")
	if want := regexp.MustCompile(`^ts=\d{4}-\d\d-\d\dT\S+Z caller=handler_test\.go:\d+ level=info msg=x\n$`); !want.MatchString(b.String()) {
		t.Errorf("got %q, want %v", &b, want)
	}
	b.Reset()
	if err := h.Handle(context.Background(), slog.NewRecord(time.Time{}, slog.LevelInfo, "x", 0)); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "level=info msg=x\n"; got != want {
		t.Errorf("got %q, want %q: no time and no caller are known", got, want)
	}
}

func TestErrorOfLogger(t *testing.T) {
	full := errors.New("disk full")
	h := kitlog.New(log.LoggerFunc(func(...any) error { return full }), kitlog.Config{})
	if err := h.Handle(context.Background(), slog.NewRecord(time.Time{}, slog.LevelInfo, "x", 0)); !errors.Is(err, full) {
		t.Errorf("got %v, want the error of the logger", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	var b bytes.Buffer
	l := slog.New(kitlog.New(log.NewLogfmtLogger(log.NewSyncWriter(&b)), kitlog.Config{})).With("a", 1)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				l.WithGroup("g").Info("x", "b", 2)
			}
		})
	}
	wg.Wait()
	if got, want := b.String(), strings.Repeat("level=info msg=x a=1 g.b=2\n", 400); got != want {
		t.Error("lines are mixed up")
	}
}
