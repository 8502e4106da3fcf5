"""Files → mono at 16 kHz: lengths, times, and a defined result or a sentence for whatever is odd."""

import random

import numpy as np
import pytest
import soundfile

from melisma.audio import decode as module
from melisma.audio.decode import Decoded, decode, is_silent, load
from melisma.core.errors import (
    AudioError,
    AudioTooLong,
    DamagedAudio,
    EmptyAudio,
    NotAudio,
    UnknownName,
)
from melisma.core.records import Waveform


@pytest.fixture
def write(tmp_path):
    def written(samples, rate=44100, subtype="FLOAT", name="x.wav", **options):
        path = tmp_path / name
        soundfile.write(path, samples, rate, subtype=subtype, **options)
        return path

    return written


def lag(reference: np.ndarray, found: np.ndarray) -> int:
    """Samples by which `found` is late, by cross-correlation."""
    n = 1 << (len(reference) + len(found)).bit_length()
    product = np.conj(np.fft.rfft(reference, n)) * np.fft.rfft(found, n)
    at = int(np.argmax(np.fft.irfft(product, n)))
    return at if at < n // 2 else at - n


@pytest.fixture(scope="module")
def reference(encode) -> np.ndarray:
    return load(encode("song.wav"), downmix="mean").samples


# Formats and times


@pytest.mark.parametrize("name", ["song.wav", "song.flac", "song.mp3", "song.ogg"])
@pytest.mark.parametrize("downmix", ["centre", "mean"])
def test_libsndfile_formats_keep_time_without_ffmpeg(name, downmix, encode, reference, no_ffmpeg):
    result = decode(encode(name), downmix=downmix)
    assert result.warnings == ()
    assert (result.info.sample_rate, result.info.channels) == (44100, 2)
    assert result.waveform.sample_rate == 16000
    assert result.waveform.samples.dtype == np.float32
    assert len(result.waveform.samples) == 32_000
    assert abs(lag(reference, result.waveform.samples)) <= 1


@pytest.mark.parametrize(
    ("name", "options", "late_ms"),
    [
        ("song.m4a", ("-c:a", "aac"), 0),
        ("song.opus", ("-c:a", "libopus"), 0),
        ("song.webm", ("-c:a", "libopus"), 0),
        ("song.mka", ("-c:a", "flac"), 0),
        ("alac.caf", ("-c:a", "alac"), 0),
        # No header tells the delay of the encoder: libsndfile, ffmpeg and browsers agree to leave it in.
        ("bare.aac", ("-c:a", "aac"), 1024 / 44.1),
        ("bare.mp3", ("-b:a", "128k", "-write_xing", "0"), 1105 / 44.1),
    ],
)
def test_other_formats_keep_time(name, options, late_ms, encode, reference):
    samples = load(encode(name, *options), downmix="mean").samples
    assert lag(reference, samples) / 16 == pytest.approx(late_ms, abs=1)
    assert -2 <= len(samples) - 32_000 <= 1200


def test_a_track_that_starts_late_in_a_video_is_late(encode, reference):
    video = ("-f", "lavfi", "-i", "color=d=2.5:s=64x64", "-map", "0:a", "-map", "1:v", "-c:v", "mpeg4")
    late = encode("late.mkv", *video, "-c:a", "flac", "-af", "asetpts=PTS+0.5/TB")
    samples = load(late, downmix="mean").samples
    assert abs(len(samples) - 40_000) <= 16
    assert lag(reference, samples) == pytest.approx(8000, abs=16)


def test_a_variable_bit_rate_without_a_header_is_read_to_its_end(encode, reference, no_ffmpeg):
    path = encode("vbr.mp3", "-q:a", "4", "-write_xing", "0", "-id3v2_version", "0")
    assert soundfile.info(path).duration < 1.9  # libsndfile alone would drop the rest
    result = decode(path)
    assert result.waveform.duration_s >= 2.0
    assert result.warnings == ()


def test_tags_and_a_cover_do_not_matter(encode, tmp_path, no_ffmpeg):
    plain = encode("song.mp3").read_bytes()
    cover = (
        b"APIC" + (200_000).to_bytes(4) + bytes(2) + b"\x00image/png\x00\x03\x00" + random.Random(1).randbytes(199_987)
    )
    size = bytes((len(cover) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    path = tmp_path / "tagged.mp3"
    path.write_bytes(b"ID3\x03\x00\x00" + size + cover + plain + b"TAG" + bytes(125))
    np.testing.assert_array_equal(load(path).samples, load(encode("song.mp3")).samples)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("downmix", ["centre", "mean"])
def test_every_rate_keeps_lengths_and_times(rate, downmix, write):
    for n in (rate, rate + 1, rate + 7):
        x = np.zeros((n, 2), np.float32)
        x[round(0.7 * rate)] = 1
        samples = load(write(x, rate), downmix=downmix).samples
        assert len(samples) == round(n * 16000 / rate)
        assert abs(int(np.argmax(np.abs(samples))) - 11_200) <= 1


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_every_sample_width_gives_the_same_sound(subtype, song, write, reference):
    samples = load(write(song, subtype=subtype), downmix="mean").samples
    assert np.max(np.abs(samples - reference)) < 0.04


@pytest.mark.parametrize("channels", range(1, 9))
def test_one_to_eight_channels(channels, write):
    x = np.repeat(np.sin(np.arange(16_000) / 10)[:, None], channels, axis=1)
    samples = load(write(x, 16000)).samples
    np.testing.assert_allclose(samples, x[:, 0], atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 10])
@pytest.mark.parametrize("channels", [1, 2])
def test_tiny_files(n, channels, write):
    assert len(load(write(np.ones((n, channels)))).samples) == max(1, round(n * 16000 / 44100))


def test_values_beyond_full_scale_are_kept(write):
    x = np.full(16_000, 5.0)
    assert load(write(x, 16000)).samples[8000] == pytest.approx(5.0)


def test_another_sample_rate_may_be_asked_for(encode):
    waveform = load(encode("song.wav"), sample_rate=24_000)
    assert (waveform.sample_rate, len(waveform.samples)) == (24_000, 48_000)


def test_progress_goes_up_to_one(encode):
    seen = []
    load(encode("song.flac"), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[0] < 0.5
    assert seen[-1] == 1.0


def test_load_is_the_waveform_of_decode(encode):
    result = decode(encode("song.wav"))
    assert isinstance(result, Decoded)
    np.testing.assert_array_equal(load(encode("song.wav")).samples, result.waveform.samples)


# What a recording is, whatever file it is in


def test_the_same_sound_in_another_file_is_the_same_sound(encode, tmp_path, no_ffmpeg):
    sound = decode(encode("song.wav")).sound
    assert len(sound) == 64
    soundfile.write(tmp_path / "same.flac", soundfile.read(encode("song.wav"), dtype="int16")[0], 44100)
    assert decode(tmp_path / "same.flac").sound == sound
    assert decode(encode("song.wav"), sample_rate=8000, downmix="mean").sound == sound
    tagged = tmp_path / "tagged.mp3"
    tagged.write_bytes(b"ID3\x03\x00\x00\x00\x00\x00\x10" + bytes(16) + encode("song.mp3").read_bytes())
    assert decode(tagged).sound == decode(encode("song.mp3")).sound != sound


def test_any_other_sample_rate_or_channel_is_another_sound(song, write):
    nudged = song.copy()
    nudged[-1, 1] += 1e-3
    files = [(song, 44100), (nudged, 44100), (song, 44101), (song[:-1], 44100), (song.reshape(-1), 44100)]
    assert len({decode(write(samples, rate)).sound for samples, rate in files}) == len(files)


# Odd content with a defined result


def test_a_silent_file_is_zeros(write):
    waveform = load(write(np.zeros((8000, 2)), 16000))
    np.testing.assert_array_equal(waveform.samples, np.zeros(8000))
    assert is_silent(waveform)


def test_dither_is_silent_and_a_whisper_is_not():
    noise = np.random.default_rng(0).uniform(-1, 1, 1000).astype(np.float32)
    assert is_silent(Waveform(noise * np.float32(3e-5), 16000))
    assert not is_silent(Waveform(noise * np.float32(3e-4), 16000))
    assert is_silent(Waveform(np.zeros(0, np.float32), 16000))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_a_few_values_that_are_no_numbers_become_silence(bad, write):
    x = np.zeros((16_000, 2))
    x[100:120, 0] = bad
    result = decode(write(x, 16000))
    assert result.warnings == ("20 of 32000 sample values were no numbers or absurdly large and are silent now",)
    np.testing.assert_array_equal(result.waveform.samples, np.zeros(16_000))


def test_many_values_that_are_no_numbers_are_damage(write):
    x = np.zeros(16_000)
    x[::50] = np.nan
    with pytest.raises(DamagedAudio, match=r"320 of 16000 sample values are no numbers"):
        decode(write(x, 16000))


@pytest.mark.parametrize("name", ["song.wav", "song.flac", "song.mp3", "song.ogg"])
def test_a_truncated_file_gives_what_is_there_and_says_so(name, encode, tmp_path, no_ffmpeg):
    data = encode(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: len(data) * 7 // 10])
    result = decode(path)
    assert 0.9 < result.waveform.duration_s < 1.5
    (warning,) = result.warnings
    assert "breaks off after" in warning


def test_a_truncated_m4a_gives_what_is_there_and_says_so(encode, tmp_path):
    data = encode("fast.m4a", "-c:a", "aac", "-movflags", "+faststart").read_bytes()
    path = tmp_path / "short.m4a"
    path.write_bytes(data[: len(data) * 7 // 10])
    result = decode(path)
    assert 0.9 < result.waveform.duration_s < 1.7
    assert "breaks off after" in result.warnings[0]


def test_the_size_of_a_streamed_wav_is_no_promise(encode, tmp_path):
    data = bytearray(encode("song.wav").read_bytes())
    at = data.index(b"data") + 4
    data[4:8] = data[at : at + 4] = b"\xff\xff\xff\xff"
    path = tmp_path / "streamed.wav"
    path.write_bytes(data)
    result = decode(path)
    assert (len(result.waveform.samples), result.warnings) == (32_000, ())


def test_an_mp3_with_more_behind_it_says_so(encode, tmp_path):
    path = tmp_path / "two.mp3"
    path.write_bytes(2 * encode("song.mp3").read_bytes())
    assert "the rest is not what the header counts" in decode(path).warnings[0]


@pytest.fixture
def scratched(encode, tmp_path):
    """A FLAC with a damaged frame near its middle."""
    data = bytearray(encode("song.flac").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 50] = bytes(50)
    path = tmp_path / "scratched.flac"
    path.write_bytes(data)
    return path


def test_a_damaged_flac_is_read_up_to_the_damage_without_ffmpeg(scratched, no_ffmpeg):
    result = decode(scratched)
    assert 0.5 < result.waveform.duration_s < 1.5
    assert "breaks off" in result.warnings[0]


def test_a_damaged_flac_is_read_around_the_damage_with_ffmpeg(scratched, encode, reference):
    encode("needs.m4a", "-c:a", "aac")  # skips where there is no ffmpeg
    result = decode(scratched, downmix="mean")
    assert abs(len(result.waveform.samples) - 32_000) <= 1
    assert len(result.warnings) == 1
    np.testing.assert_allclose(result.waveform.samples[-8000:], reference[-8000:], atol=1e-4)


# Errors


def test_what_libsndfile_read_outlives_an_ffmpeg_that_can_read_nothing(scratched, tmp_path, monkeypatch):
    useless = tmp_path / "ffmpeg"
    useless.write_text("#!/bin/sh\nexit 1\n")
    useless.chmod(0o755)
    monkeypatch.setattr("melisma.audio.ffmpeg.program", lambda: str(useless))
    told = []
    result = decode(scratched, progress=told.append)
    assert 0.5 < result.waveform.duration_s < 1.5
    assert "breaks off" in result.warnings[0]
    assert told == sorted(told)


def test_progress_never_goes_back_where_a_recording_is_decoded_twice(scratched):
    told = []
    decode(scratched, progress=told.append)
    assert told == sorted(told)


def test_an_empty_file(tmp_path):
    (tmp_path / "x.mp3").touch()
    with pytest.raises(EmptyAudio, match=r"x\.mp3 is an empty file"):
        load(tmp_path / "x.mp3")


def test_a_file_without_samples(write):
    with pytest.raises(EmptyAudio, match="holds no sample"):
        load(write(np.zeros((0, 2))))


def test_a_file_of_which_nothing_can_be_decoded(encode, tmp_path, no_ffmpeg):
    data = encode("song.flac").read_bytes()
    path = tmp_path / "head.flac"
    path.write_bytes(data[:9000])
    with pytest.raises(DamagedAudio, match="not one sample of it can be decoded"):
        load(path)


def test_text_is_no_recording_whatever_its_name(tmp_path):
    (tmp_path / "x.wav").write_text("do re mi\n" * 500)
    with pytest.raises(NotAudio, match=r"x\.wav is no recording"):
        load(tmp_path / "x.wav")


def test_text_is_no_recording_without_ffmpeg(tmp_path, no_ffmpeg):
    (tmp_path / "x.raw").write_text("do re mi\n" * 500)
    with pytest.raises(NotAudio, match="there is no ffmpeg to ask"):
        load(tmp_path / "x.raw")


def test_a_missing_file(tmp_path):
    with pytest.raises(AudioError, match="there is no such file"):
        load(tmp_path / "nothing.mp3")


def test_an_absurd_header(encode, tmp_path):
    data = bytearray(encode("song.wav").read_bytes())
    at = data.index(b"fmt ") + 12
    data[at : at + 4] = (2**31 - 1).to_bytes(4, "little")
    (tmp_path / "fast.wav").write_bytes(data)
    with pytest.raises(DamagedAudio, match="claims a sample rate of 2147483647 Hz"):
        load(tmp_path / "fast.wav")


def test_too_long_by_the_header(tmp_path, encode):
    data = bytearray(encode("song.flac").read_bytes())
    data[22:26] = (10 * 3600 * 44100).to_bytes(4)  # STREAMINFO: the low 32 of 36 bits of the count of samples
    (tmp_path / "long.flac").write_bytes(data)
    with pytest.raises(AudioTooLong, match="longer than the limit of 6 h: cut it"):
        load(tmp_path / "long.flac")


def test_too_long_in_fact(encode):
    path = encode("bare.mp3", "-b:a", "128k", "-write_xing", "0")  # its length is known only at its end
    with pytest.raises(AudioTooLong, match="longer than the limit of 1 s"):
        load(path, max_duration_s=1)


def test_an_unknown_downmix(encode):
    with pytest.raises(UnknownName, match="no downmix is called 'left'; there are: centre, mean"):
        load(encode("song.wav"), downmix="left")


def test_nothing_is_decoded_when_the_header_says_too_much(encode, monkeypatch):
    monkeypatch.setattr(module, "_Walk", None)  # making one would fail
    with pytest.raises(AudioTooLong):
        load(encode("song.wav"), max_duration_s=1)
