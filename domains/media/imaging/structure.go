package imaging

import (
	"bytes"
	"encoding/binary"
)

// The functions of this file read the parts around the pixels. They skip parts that they do not understand; the decoders refuse
// those.

// readPNG reads a PNG's chunks.
func readPNG(content []byte) structure {
	var s structure
	for rest := content[8:]; len(rest) >= 12; {
		length, kind := binary.BigEndian.Uint32(rest), string(rest[4:8])
		if uint64(length) > uint64(len(rest)-12) {
			break
		}
		data := rest[8 : 8+length]
		switch {
		case kind == "IHDR" && length == 13 && data[12] != 0:
			s.spread = 2 // interlaced: the passes are decoded beside the image
		case kind == "eXIf":
			s.orientation = readOrientation(data)
		}
		rest = rest[12+length:]
	}
	return s
}

// readWebP reads a WebP's chunks.
func readWebP(content []byte) structure {
	s := structure{cut: uint64(binary.LittleEndian.Uint32(content[4:]))+8 > uint64(len(content))}
	for rest := content[12:]; len(rest) >= 8; {
		kind, length := string(rest[:4]), binary.LittleEndian.Uint32(rest[4:])
		if uint64(length) > uint64(len(rest)-8) {
			break
		}
		data := rest[8 : 8+length]
		switch {
		case kind == "VP8X" && length > 0:
			s.animated = data[0]&2 != 0
		case kind == "VP8L":
			s.spread = 2 // an image and its transformed one
		case kind == "EXIF":
			s.orientation = readOrientation(bytes.TrimPrefix(data, exifHeader))
		}
		rest = rest[8+length:]
		if length%2 == 1 && len(rest) > 0 {
			rest = rest[1:]
		}
	}
	return s
}

// JPEG's markers, as far as they matter here.
const (
	markerSOF0, markerSOF1, markerSOF2 = 0xc0, 0xc1, 0xc2
	markerRST0, markerRST7             = 0xd0, 0xd7
	markerEOI, markerSOS, markerAPP1   = 0xd9, 0xda, 0xe1
)

// exifHeader stands before the EXIF data in JPEG, and by mistake in some WebP.
var exifHeader = []byte("Exif\x00\x00")

// readJPEG reads a JPEG's segments up to its end marker, with the tolerance of image/jpeg: bytes between segments are
// skipped, so that each part that it decodes has been counted here.
func readJPEG(content []byte) structure {
	var s structure
	for rest := content[2:]; ; {
		marker, after := nextMarker(rest)
		rest = after
		if marker >= markerRST0 && marker <= markerRST7 {
			continue
		}
		if marker == 0 || marker == markerEOI || len(rest) < 2 {
			return s
		}
		length := int(binary.BigEndian.Uint16(rest))
		if length < 2 || length > len(rest) {
			return s
		}
		s.segment(marker, rest[2:length])
		rest = rest[length:]
	}
}

// nextMarker returns the next marker and the bytes after it; 0 when there is none. Any number of bytes 0xff may stand before a
// marker. A 0 after 0xff is no marker: it marks a 0xff of the data.
func nextMarker(rest []byte) (byte, []byte) {
	for {
		i := bytes.IndexByte(rest, 0xff)
		if i < 0 {
			return 0, nil
		}
		for i < len(rest) && rest[i] == 0xff {
			i++
		}
		if i == len(rest) {
			return 0, nil
		}
		marker := rest[i]
		rest = rest[i+1:]
		if marker != 0 {
			return marker, rest
		}
	}
}

func (s *structure) segment(marker byte, data []byte) {
	switch marker {
	case markerSOS:
		s.scans++
	case markerSOF0, markerSOF1, markerSOF2:
		s.spread = frameSpread(data, marker == markerSOF2)
	case markerAPP1:
		if exif, ok := bytes.CutPrefix(data, exifHeader); ok && s.orientation == 0 {
			s.orientation = readOrientation(exif)
		}
	}
}

// frameSpread divides the memory for decoding a JPEG's frame by the memory that bytesPerPixel gives for its model: its colors may have
// fewer samples than pixels, a progressive frame keeps four bytes for each sample until the end, and CMYK is put
// together from its samples in an image of its own.
func frameSpread(frame []byte, progressive bool) float64 {
	if len(frame) < 6 || len(frame) < 6+3*int(frame[5]) || frame[5] == 0 {
		return 0
	}
	n := int(frame[5])
	samples, widest, highest := 0, 1, 1
	for i := range n {
		h, v := int(frame[7+3*i]>>4), int(frame[7+3*i]&15)
		samples += h * v
		widest, highest = max(widest, h), max(highest, v)
	}
	perPixel := float64(samples) / float64(widest*highest)
	if progressive {
		perPixel *= 5
	}
	if n == 4 {
		perPixel += 4
	}
	return perPixel / float64(n)
}
