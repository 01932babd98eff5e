package main

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
)

// post begins the path of a stream whose requests post a picture as a form; those that begin with signIn sign in, and those of others are GETs.
const post = "POST "

// request sends a stream's request.
func request(client *http.Client, base, path string) (status int, err error) {
	if path, signs := strings.CutPrefix(path, signIn); signs {
		return finish(client.Do(newSignIn(base, path)))
	}
	path, posts := strings.CutPrefix(path, post)
	if !posts {
		return get(client, base+path)
	}
	form := picture()
	resp, err := client.Post(base+path, form.contentType, bytes.NewReader(form.body))
	return finish(resp, err)
}

// pictureForm is a form with one file.
type pictureForm struct {
	contentType string
	body        []byte
}

// picture returns a form with a JPEG of 640 by 480 pixels that has something to see everywhere.
var picture = sync.OnceValue(func() pictureForm { //nolint:gochecknoglobals // a constant that takes a moment
	img := image.NewRGBA(image.Rect(0, 0, 640, 480))
	for y := range 480 {
		for x := range 640 {
			wave := func(fx, fy float64) uint8 {
				return uint8(128 + 127*math.Sin(fx*float64(x))*math.Cos(fy*float64(y)))
			}
			img.SetRGBA(x, y, color.RGBA{wave(0.02, 0.03), wave(0.11, 0.01), wave(0.05, 0.17), 255})
		}
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("image", "picture.jpg")
	if err == nil {
		err = jpeg.Encode(file, img, nil)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		panic(err) // writing to memory
	}
	return pictureForm{form.FormDataContentType(), body.Bytes()}
})

// finish reads an answer to its end.
func finish(resp *http.Response, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if closing := resp.Body.Close(); err == nil {
		err = closing
	}
	return resp.StatusCode, err
}
