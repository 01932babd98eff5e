package plugins

import (
	"archive/zip"
	"context"
	"crypto/tls"
	"database/sql"
	"fmt"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"net/rpc"
	"net/smtp"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	text "text/template"
	"time"

	"github.com/gin-gonic/gin"

	"m/app"
)

func work(ctx context.Context, db *sql.DB, tx *sql.Tx, client *http.Client) {
	time.Sleep(time.Second)               // want `time.Sleep in a handler: .* app.Delay`
	time.Sleep(time.Second)               //plug:allow blocking the device has no other signal
	_ = time.Tick                         // want `time.Tick in a handler`
	_, _ = http.Get("http://localhost")   // want `http.Get in a handler: .*NewRequestWithContext`
	_, _ = client.Post("", "", nil)       // want `http.Post in a handler`
	_ = exec.Command("ls")                // want `exec.Command in a handler: a handler starts no process`
	_, _ = net.Dial("tcp", "localhost:1") // want `net.Dial in a handler: the host does not know the connection`
	_, _ = os.ReadFile("x")               // want `os.ReadFile in a handler: .*no file I/O`
	_, _ = db.Query("SELECT 1")           // want `sql.Query in a handler`
	_, _ = tx.Exec("DELETE FROM x")       // want `sql.Exec in a handler: .*use app.InTx`
	_, _ = db.QueryContext(ctx, "SELECT 1")
	_ = exec.CommandContext(ctx, "ls") // want `exec.CommandContext in a handler`
	_, _ = http.NewRequestWithContext(ctx, "", "", nil)
	_ = time.NewTimer(time.Second) // want `time.NewTimer in a handler: .* a loop that b.Loop keeps running`
}

func forms(ctx context.Context, client *http.Client, files fs.FS, c *gin.Context) {
	<-time.After(5 * time.Second)            // want `time.After in a handler`
	_ = time.NewTicker(time.Second)          // want `time.NewTicker in a handler`
	time.AfterFunc(time.Second, func() {})   // want `time.AfterFunc in a handler`
	app.Sleep(ctx, time.Second)              // want `app.Sleep in a handler holds the request; .* app.Delay`
	_ = smtp.SendMail("", nil, "", nil, nil) // want `smtp.SendMail in a handler: .* app.Mailer`
	_, _ = tls.Dial("tcp", "", nil)          // want `tls.Dial in a handler`
	_, _ = (&tls.Dialer{}).Dial("tcp", "")   // want `tls.Dialer in a handler` `tls.Dial in a handler`
	_, _ = rpc.Dial("tcp", "")               // want `rpc.Dial in a handler`
	_, _ = zip.OpenReader("x.zip")           // want `zip.OpenReader in a handler: a handler does no file I/O`
	_, _ = template.ParseFiles("x.html")     // want `template.ParseFiles in a handler: .* read them with ParseFS`
	_, _ = text.ParseGlob("*.txt")           // want `template.ParseGlob in a handler`
	_, _ = text.New("x").ParseFiles("x")     // want `template.ParseFiles in a handler`
	_, _ = template.ParseFS(files, "*.html") // embedded
	_ = filepath.WalkDir(".", nil)           // want `filepath.WalkDir in a handler`
	_ = filepath.Join("a", "b")              // names only
	_ = http.ListenAndServe(":80", nil)      // want `http.ListenAndServe in a handler: the host has the listeners`
	_, _ = http.NewRequest("GET", "", nil)   // want `http.NewRequest in a handler`
	_, _ = http.DefaultClient.Do(nil)        // want `http.DefaultClient in a handler: .* ask the constructor for the \*http.Client`
	_ = &http.Client{Timeout: time.Second}   // want `http.Client in a handler`
	_ = new(http.Client)                     // want `http.Client in a handler`
	var mine http.Client                     // want `http.Client in a handler`
	_ = mine
	_, _ = http.NewRequestWithContext(context.Background(), "", "", nil) // want `context.Background in a handler: .* context.WithoutCancel\(ctx\)`
	_ = context.TODO()                                                   // want `context.TODO in a handler`
	_ = context.WithoutCancel(ctx)
	var dialer net.Dialer                  // want `net.Dialer in a handler`
	_, _ = dialer.DialContext(ctx, "", "") // want `net.DialContext in a handler`
	_ = os.Getenv("HOME")                  // want `os.Getenv in a handler: declare a struct of settings`
	os.Exit(1)                             // want `os.Exit in a handler: the host ends the service`
	signal.Notify(nil)                     // want `signal.Notify in a handler`
	_, _ = fmt.Scanln()                    // want `fmt.Scanln in a handler`
	c.FileAttachment("x", "x")             // want `gin.FileAttachment in a handler`
	_, _ = client.Do(nil)                  // the client is the host's
	wait := time.Second * 2                // a duration is no wait
	_ = time.Now().Add(wait)
	_ = mine.Timeout
}
