package plugins

import (
	"context"
	"database/sql"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"
)

func work(ctx context.Context, db *sql.DB, tx *sql.Tx, client *http.Client) {
	time.Sleep(time.Second)               // want `time.Sleep in a handler: .* app.Delay`
	time.Sleep(time.Second)               //plug:allow blocking the device has no other signal
	_ = time.Tick                         // want `time.Tick in a handler`
	_, _ = http.Get("http://localhost")   // want `http.Get in a handler: .*NewRequestWithContext`
	_, _ = client.Post("", "", nil)       // want `http.Post in a handler`
	_ = exec.Command("ls")                // want `exec.Command in a handler: .*CommandContext`
	_, _ = net.Dial("tcp", "localhost:1") // want `net.Dial in a handler`
	_, _ = os.ReadFile("x")               // want `os.ReadFile in a handler: .*no file I/O`
	_, _ = db.Query("SELECT 1")           // want `sql.Query in a handler`
	_, _ = tx.Exec("DELETE FROM x")       // want `sql.Exec in a handler: .*use app.InTx`
	_, _ = db.QueryContext(ctx, "SELECT 1")
	_ = exec.CommandContext(ctx, "ls")
	_, _ = http.NewRequestWithContext(ctx, "", "", nil)
	_ = time.NewTimer(time.Second)
}
