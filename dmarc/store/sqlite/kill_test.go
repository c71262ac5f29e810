package sqlite

import (
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/internal/storetest"
)

func killing(t *testing.T) storetest.Killing {
	return storetest.Killing{Engine: func(path string) store.Engine { return File{Path: path} }, Address: path(t)}
}

func TestKillChild(t *testing.T) { killing(t).Child(t) }

func TestKill(t *testing.T) { killing(t).Run(t) }

func TestKillControls(t *testing.T) {
	for _, mode := range storetest.Controls() {
		t.Run(mode, func(t *testing.T) { killing(t).Control(t, mode) })
	}
}

func copyKilling(t *testing.T) storetest.CopyKilling {
	return storetest.CopyKilling{Engine: func(path string) store.Engine { return File{Path: path} }, From: path(t), To: path(t)}
}

func TestCopyKillChild(t *testing.T) { copyKilling(t).Child(t) }

func TestCopyKill(t *testing.T) { copyKilling(t).Run(t) }
