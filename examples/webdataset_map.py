"""WebDataset shards read as a stream, their images made smaller on the way, and written to one new shard.

pip install webdataset
python examples/webdataset_map.py 'shards/train-{000000..000009}.tar' small.tar

The images are those that `j4d transcode 'shards/train-{000000..000009}.tar' small/` writes. That command also keeps
shards apart, goes on after interruptions and verifies; a map is for pipelines that stream anyway.
"""

import sys

import webdataset

from j4d import Profile
from j4d.bulk import Settings
from j4d.transforms import RecodeSample

recode = RecodeSample(Settings(Profile.builtin("universal"), {"quality": 40}))
samples = webdataset.WebDataset(sys.argv[1], shardshuffle=False).map(recode)
count = 0
with webdataset.TarWriter(sys.argv[2], encoder=False) as out:
    for sample in samples:
        out.write({key: value for key, value in sample.items() if key == "__key__" or not key.startswith("__")})
        count += 1
print(f"{count} samples")
