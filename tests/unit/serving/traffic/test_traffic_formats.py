"""Every trace format from a few lines of it, as published."""

import gzip
import json

import numpy as np
import pytest

from drivetrain.errors import FileError
from drivetrain.serving.traffic import read
from drivetrain.serving.traffic.formats import source_of
from drivetrain.serving.traffic.wrong import ChoiceError

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2023-11-16 18:15:51.2224670,879,55
"""
ZONED = """TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 00:00:00.009930+00:00,2162,5
2024-05-10 02:00:01+02:00,2399,6
2024-05-10 00:00:03.5Z,76,15
"""
BURST = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,ChatGPT,1087,230,1317,Conversation log
118,GPT-4,417,0,417,API log
120,GPT-4,300,7,307,API log
"""
BURST_SESSIONS = """Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
19440110.0,1722ac82-0a46-4bf0-aa08-89794e7a2b3f,43,GPT-4,906,446,1352,Conversation log
19440161.0,d5983bf9-4b48-497b-892b-a58995247443,2,ChatGPT,36,29,65,Conversation log
19440192.0,1722ac82-0a46-4bf0-aa08-89794e7a2b3f,2,ChatGPT,36,29,65,Conversation log
19440193.0,,2,ChatGPT,36,29,65,API log
"""
MOONCAKE = [
    {"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": list(range(14))},
    {"timestamp": 3000, "input_length": 2290, "output_length": 316, "hash_ids": [0, 42, 43, 44, 45]},
    {"timestamp": 5999, "input_length": 1053, "output_length": 26, "hash_ids": [0, 773, 774]},
]
BAILIAN = [
    {"chat_id": 7, "parent_chat_id": -1, "timestamp": 1.5, "input_length": 33, "output_length": 5, "type": "text",
     "turn": 1, "hash_ids": [1, 2, 3]},
    {"chat_id": 8, "parent_chat_id": -1, "timestamp": 2.0, "input_length": 20, "output_length": 5, "type": "text",
     "turn": 1, "hash_ids": [9, 10]},
    {"chat_id": 9, "parent_chat_id": 7, "timestamp": 2.5, "input_length": 60, "output_length": 5, "type": "text",
     "turn": 2, "hash_ids": [1, 2, 11, 12]},
    {"chat_id": 10, "parent_chat_id": 9, "timestamp": 4.0, "input_length": 70, "output_length": 5, "type": "text",
     "turn": 3, "hash_ids": [1, 2, 11, 12, 13]},
]  # fmt: skip


def put(folder, name, content):
    path = folder / name
    if isinstance(content, list):
        content = "\n".join(json.dumps(row) for row in content) + "\n"
    path.write_text(content, encoding="utf-8")
    return path


def said(notes):
    return {note.what: note.value for note in notes}


def test_azure(tmp_path):
    requests, notes = read(put(tmp_path, "a.csv", AZURE))
    assert requests.isl.tolist() == [374, 396, 879]
    assert requests.osl.tolist() == [44, 109, 55]
    assert requests.arrival_s.tolist() == [0.0, 4.314579, 4.541877]
    assert said(notes) == {"trace": "Azure LLM inference trace (CSV), 3 requests"}


def test_azure_with_time_zones(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")  # what the machine's clock shows must not matter
    requests, _ = read(put(tmp_path, "a.csv", ZONED))
    assert requests.arrival_s.tolist() == [0.0, 0.99007, 3.49007]


def test_azure_packed_and_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\ufeff" + AZURE.replace("\n", "\r\n"))
    assert read(path).requests.isl.tolist() == [374, 396, 879]


def test_burstgpt_leaves_out_failures_and_spreads_whole_seconds(tmp_path):
    requests, notes = read(put(tmp_path, "b.csv", BURST))
    assert requests.isl.tolist() == [472, 1087, 300]
    assert np.floor(requests.arrival_s).tolist() == [0, 40, 115]  # the first row comes within the first second
    found = said(notes)
    assert found["no answer"] == "1 rows without an answer are left out"
    assert found["clock"].startswith("arrivals come in steps of 1 s")
    assert found["columns not used"] == "Model, Total tokens, Log Type"
    exact = read(put(tmp_path, "b.csv", BURST), jitter=0).requests
    assert exact.arrival_s.tolist() == [0.0, 40.0, 115.0]


def test_burstgpt_sessions(tmp_path):
    session = read(put(tmp_path, "b.csv", BURST_SESSIONS)).requests.session
    assert session[0] == session[2] != session[1]
    assert session[3] == -1
    assert session.min() >= -1


def test_mooncake(tmp_path):
    requests, notes = read(put(tmp_path, "m.jsonl", MOONCAKE))
    assert requests.arrival_s.tolist() == [0.0, 3.0, 5.999]
    assert requests.hash_tokens == 512
    assert requests.hash_count.tolist() == [14, 5, 3]
    assert requests.hashes[requests.hash_start[1] :][:5].tolist() == [0, 42, 43, 44, 45]
    assert said(notes)["prefix blocks"] == "a name stands for 512 tokens"
    assert read(put(tmp_path, "m.jsonl", MOONCAKE), hashes="drop").requests.hash_tokens == 0


def test_mooncake_without_names_or_times(tmp_path):
    path = put(
        tmp_path, "m.jsonl", [{"input_length": 10, "output_length": 2}, {"input_length": 12, "output_length": 3}]
    )
    requests, notes = read(path, rate=2.0)
    assert requests.isl.tolist() == [10, 12]
    assert said(notes)["arrivals"] == "the file has no times: Poisson, 2/s (seed 1)"


def test_bailian_counts_seconds_and_follows_its_chains(tmp_path):
    requests, _ = read(put(tmp_path, "q.jsonl", BAILIAN))
    assert requests.arrival_s.tolist() == [0.0, 0.5, 1.0, 2.5]
    assert requests.hash_tokens == 16
    assert requests.session.tolist() == [7, 8, 7, 7]


def test_names_merge_into_larger_blocks(tmp_path):
    path = put(tmp_path, "q.jsonl", BAILIAN)
    merged = read(path, hash_tokens=32).requests
    assert merged.hash_tokens == 32
    assert merged.hash_count.tolist() == [1, 1, 2, 2]
    first, other, third, fourth = (
        merged.hashes[s : s + c].tolist() for s, c in zip(merged.hash_start, merged.hash_count, strict=True)
    )
    assert first == third[:1]
    assert third == fourth
    assert other != first
    with pytest.raises(Exception, match=r"hash_tokens is 24\. Give a multiple of 16"):
        read(path, hash_tokens=24)


def test_blocks_that_cannot_be_told_are_asked_for(tmp_path):
    rows = [
        {"timestamp": i, "chat_id": i, "input_length": 100, "output_length": 1, "hash_ids": [i] * 5} for i in range(3)
    ]
    path = put(tmp_path, "q.jsonl", rows)
    with pytest.raises(Exception, match="file_hash_tokens"):
        read(path)
    assert read(path, file_hash_tokens=24).requests.hash_tokens == 24


SHAREGPT = [
    {"id": "a", "conversations": [{"from": "human", "value": "héllo"}, {"from": "gpt", "value": "x" * 9}]},
    {"id": "b", "conversations": []},
    {"id": "c", "conversations": [{"from": "human", "value": "no answer"}]},
    {
        "id": "d",
        "conversations": [{"from": "human", "value": ""}, {"from": "gpt", "value": "yes"}, {"from": "h", "value": "z"}],
    },
]


def test_sharegpt_estimates_lengths_from_text(tmp_path):
    path = put(tmp_path, "s.json", json.dumps(SHAREGPT))
    requests, notes = read(path, rate=10.0)
    assert requests.isl.tolist() == [2, 1]  # ceil(5 / 4), and at least one
    assert requests.osl.tolist() == [3, 1]
    found = said(notes)
    assert found["no answer"] == "2 rows without an answer are left out"
    assert "4 characters are taken as a token" in found["lengths"]
    assert read(path, rate=10.0, chars_per_token=3.0).requests.osl.tolist() == [3, 1]


def test_a_json_array_whose_first_object_is_long(tmp_path):
    long = [
        {"id": "a", "conversations": [{"from": "human", "value": "x" * 400_000}, {"from": "gpt", "value": "y" * 8}]}
    ]
    requests, _ = read(put(tmp_path, "s.json", json.dumps(long, indent=1)), rate=1.0)
    assert (requests.isl[0], requests.osl[0]) == (100_000, 2)


@pytest.mark.parametrize(
    ("row", "lengths"),
    [
        ({"prompt": 'two "quoted"\nlines', "output_tokens": 12}, (5, 12)),
        ({"prompt": "x" * 40, "prompt_len": 11, "output_len": 3}, (11, 3)),
        ({"text_input": "x" * 40, "output_length": 3}, (10, 3)),
        ({"prompt_tokens": 7, "completion_tokens": 9}, (7, 9)),
        ({"prompt": "x" * 40}, (10, 256)),
    ],
)
def test_load_test_datasets(tmp_path, row, lengths):
    for name, content in (("d.jsonl", [row, row]), ("d.json", json.dumps([row, row]))):
        requests, _ = read(put(tmp_path, name, content), concurrency=2, osl=256)
        assert (requests.isl[0], requests.osl[0]) == lengths
        assert requests.concurrency == 2


def test_a_dataset_without_output_lengths_needs_one(tmp_path):
    with pytest.raises(Exception, match=r"states no output lengths. Give one for all rows \(osl\)"):
        read(put(tmp_path, "d.jsonl", [{"prompt": "x"}]), rate=1.0)


OWN = """arrival_s,input_tokens,output_tokens,session,priority,origin,service,difficulty,after,gap_s,prefix_hash_ids,x
0.5,100,10,alice,1,2,0,0.25,,,"[1, 2]",x
1.0,150,20,bob,0,0,1,0.5,-1,0,"[1, 5, 6]",y
,260,30,alice,1,2,-1,0.75,0,2.5,"[1, 2, 3, 4, 7]",z
"""


def test_own_csv(tmp_path):
    requests, notes = read(put(tmp_path, "o.csv", OWN))
    assert requests.arrival_s.tolist() == [0.5, 1.0, 0.0]  # our own times are kept
    assert requests.session[0] == requests.session[2] != requests.session[1]
    assert requests.priority.tolist() == [1, 0, 1]
    assert requests.origin.tolist() == [2, 0, 2]
    assert requests.service.tolist() == [0, 1, -1]
    assert requests.difficulty.tolist() == [0.25, 0.5, 0.75]
    assert requests.after.tolist() == [-1, -1, 0]
    assert requests.gap_s.tolist() == [0.0, 0.0, 2.5]
    assert requests.hash_tokens == 64
    assert said(notes)["columns not used"] == "x"


def test_columns_in_any_case_and_order(tmp_path):
    requests, _ = read(put(tmp_path, "o.csv", "Output_Tokens,ARRIVAL_S,Input_Tokens\n5,0,7\n"))
    assert (requests.isl[0], requests.osl[0]) == (7, 5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("  \n ", "is empty"),
        ("a,b\n1,2\n", "is no trace that Drivetrain knows: it has a, b"),
        ("a,a\n1,2\n", "the first line must name each column once"),
        ("[]", "has no rows"),
        ("[1, 2]", "the first object is not a JSON object"),
        ('{"input_length": ', "line 1 is not JSON"),
        ('[{"id": 1', "the first object is not JSON"),
        ("arrival_s,input_tokens,output_tokens\n", "has no requests"),
        ("PAR1 but not really", "cannot read .* as Parquet"),
    ],
)
def test_files_that_are_no_traces(tmp_path, content, message):
    with pytest.raises(Exception, match=message) as caught:
        read(put(tmp_path, "x.csv", content))
    assert caught.value.exit_code == 2


def test_a_file_that_is_missing_or_not_text(tmp_path):
    with pytest.raises(FileError, match=r"cannot read the trace .*No such file"):
        read(tmp_path / "nowhere.csv")
    with pytest.raises(FileError, match=r"cannot read the trace .*directory"):
        read(tmp_path)
    (tmp_path / "x.bin").write_bytes(bytes(range(128, 256)))
    with pytest.raises(FileError, match="neither text nor Parquet"):
        source_of(tmp_path / "x.bin")


def test_a_record_of_rates_is_no_trace(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text("workload,client,window_start_s,rate_rps\nw,1,0,2\n")
    with pytest.raises(ChoiceError, match=r"ServeGen's client rates, not requests.*too \(lengths\)") as caught:
        read(path)
    assert "(--lengths FILE)" in caught.value.said(lambda name: f"--{name} FILE").args[0]
