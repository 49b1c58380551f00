"""The examples that format version 2 packs headers with; see `packing`.

Part of the format, as the tables of a code are: never to be changed, whatever becomes of fields.
They were made once, from headers of archives and of maps.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

_HEADERS = r"""
{"package":"0.2.0","settings":{"threshold":"3sigma","model":"paper","device":"cpu","paper":{
"width":"small","max_steps":20}},"model":{"name":"paper","streams":[{"name":"network","length":
47262}],"paper":{"frequencies":10,"latent_size":64,"widths":[128,64,32,16],"residual":"full",
"projection":"fold","weights":"float16","exponents":[19,17,17,17,17]}},"members":[{"name":
"postprocess_masked","shape":[64,64,64],"mode":2,"byte_order":"<","streams":[{"name":"mrc",
"length":11},{"name":"occupancy","length":2130},{"name":"latent","length":139}],"background":
0.022407056763768196,"density_scale":11.373042106628418,"contrast_limits":[0.022407056763768196,
9.203261673872476],"original_checksum":"f571c6ea048949e2","decoded_checksum":"b2d13a77d978d091",
"threshold":3.582526922225952,"contour":3.582526922225952,"quality":{"voxels":262144,
"above_contour":7604,"nrmse":1.871,"correlation":0.05811,"max_error":8.285680294036865,
"within_20_percent":0.3125,"mean_relative_error":0.4448,"bands":[{"low":0.2,"high":0.4,"voxels":
2917,"within_20_percent":0.1471,"mean_relative_error":0.6713},{"low":0.4,"high":0.6,"voxels":
3603,"within_20_percent":0.3761,"mean_relative_error":0.3345},{"low":0.6,"high":0.8,"voxels":938
,"within_20_percent":0.5704,"mean_relative_error":0.1918},{"low":0.8,"high":1.0,"voxels":146,
"within_20_percent":0.3904,"mean_relative_error":0.2654}],"iou":[0.8659,1.0,0.8262],"level":
3.582526922225952,"nyquist":4.0,"psnr":24.8,"contour":3.582526922225952,"fsc_099":85.15,"fsc_05"
:9.905,"fsc_step":0.007812}}]}

{"package":"0.2.0","settings":{"threshold":"none","lossless":true},"model":{"name":"field",
"streams":[]},"members":[{"name":"J412_map_sharp","shape":[96,96,96],"mode":2,"byte_order":"<",
"streams":[{"name":"mrc","length":11,"checksum":"503d4c5d86a3054a"},{"name":"lossless","length":
2419112,"checksum":"2f89b863d1fac378"}],"background":0.052807725965976715,"density_scale":1.0,
"contrast_limits":[-1.4081690745806554,9.465681556161144],"original_checksum":"55801f42c212432c"
,"decoded_checksum":"55801f42c212432c","contour":2.2451387010951294,"quality":{"voxels":884736,
"above_contour":884736,"nrmse":0.0,"correlation":1.0,"max_error":0.0,"within_20_percent":1.0,
"mean_relative_error":0.0,"bands":[{"low":0.0,"high":0.05,"voxels":588684,"within_20_percent":
1.0,"mean_relative_error":0.0},{"low":0.05,"high":0.1,"voxels":216237,"within_20_percent":1.0,
"mean_relative_error":0.0},{"low":0.1,"high":0.2,"voxels":43854,"within_20_percent":1.0,
"mean_relative_error":0.0},{"low":0.2,"high":0.4,"voxels":24353,"within_20_percent":1.0,
"mean_relative_error":0.0},{"low":0.4,"high":0.6,"voxels":9533,"within_20_percent":1.0,
"mean_relative_error":0.0},{"low":0.6,"high":0.8,"voxels":1910,"within_20_percent":1.0,
"mean_relative_error":0.0},{"low":0.8,"high":1.0,"voxels":165,"within_20_percent":1.0,
"mean_relative_error":0.0}],"iou":[1.0,1.0,1.0],"level":2.2451387010951294,"nyquist":4.0,
"fsc_step":0.005208}}]}

{"package":"0.2.0","settings":{"max_error":0.22359342873096466},"model":{"name":"field",
"streams":[]},"members":[{"name":"postprocess_masked","shape":[64,64,64],"mode":2,"byte_order":
"<","streams":[{"name":"mrc","length":11},{"name":"mask","length":717},{"name":"latents",
"length":2642},{"name":"residual_tables","length":94},{"name":"residual_index","length":12},{
"name":"residual","length":448}],"background":0.010271849110722542,"density_scale":1.0,
"contrast_limits":[0.010271849110722542,9.203261673872476],"original_checksum":
"f571c6ea048949e2","decoded_checksum":"76592c82131e5dff","threshold":2.1867098808288574,
"contour":2.1867098808288574,"residual":{"kind":"max_error","step":0.4471849501132965},"quality"
:{"voxels":262144,"above_contour":12358,"nrmse":0.05815,"correlation":0.9983,"max_error":
0.2234659194946289,"within_20_percent":1.0,"mean_relative_error":0.02022,"bands":[{"low":0.1,
"high":0.2,"voxels":297,"within_20_percent":1.0,"mean_relative_error":0.02974},{"low":0.2,"high"
:0.4,"voxels":7374,"within_20_percent":1.0,"mean_relative_error":0.025},{"low":0.4,"high":0.6,
"voxels":3603,"within_20_percent":1.0,"mean_relative_error":0.013},{"low":0.6,"high":0.8,
"voxels":938,"within_20_percent":1.0,"mean_relative_error":0.009389},{"low":0.8,"high":1.0,
"voxels":146,"within_20_percent":1.0,"mean_relative_error":0.007026}],"iou":[0.9429,1.0,0.9764],
"level":2.1867098808288574,"nyquist":4.0,"psnr":28.22,"contour":2.1867098808288574,"fsc_099":
58.41,"fsc_05":9.202,"fsc_step":0.007812},"field":{"edition":1,"block":10,"shape":"sharp","tile"
:12,"step":0.55827,"base":0.010271849110722542,"symmetry":[]}}]}

{"package":"0.2.0","settings":{"threshold":"none","target_psnr":42.0},"model":{"name":"field",
"streams":[]},"members":[{"name":"half1","shape":[64,64,64],"mode":2,"byte_order":"<","streams":
[{"name":"mrc","length":11},{"name":"latents","length":18447}],"background":0.042458537966012955
,"density_scale":1.0,"contrast_limits":[-1.1806272583053214,9.203261673872476],
"original_checksum":"f571c6ea048949e2","decoded_checksum":"03cbd03dc445be14","contour":
2.1867099360533757,"quality":{"voxels":262144,"above_contour":262144,"nrmse":0.09667,
"correlation":0.9953,"max_error":0.5113446712493896,"within_20_percent":0.5181,
"mean_relative_error":1.282,"bands":[{"low":0.0,"high":0.05,"voxels":179761,"within_20_percent":
0.3585,"mean_relative_error":1.824},{"low":0.05,"high":0.1,"voxels":59925,"within_20_percent":
0.8206,"mean_relative_error":0.1193},{"low":0.1,"high":0.2,"voxels":10396,"within_20_percent":
0.9735,"mean_relative_error":0.06698},{"low":0.2,"high":0.4,"voxels":7375,"within_20_percent":
1.0,"mean_relative_error":0.02719},{"low":0.4,"high":0.6,"voxels":3603,"within_20_percent":1.0,
"mean_relative_error":0.01642},{"low":0.6,"high":0.8,"voxels":938,"within_20_percent":1.0,
"mean_relative_error":0.01184},{"low":0.8,"high":1.0,"voxels":146,"within_20_percent":1.0,
"mean_relative_error":0.008778}],"iou":[0.9751,0.9764,0.9741],"level":2.1867099360533757,
"nyquist":4.0,"psnr":42.14,"fsc_099":7.303,"fsc_05":5.998,"fsc_step":0.007812},"field":{
"edition":1,"block":8,"shape":"sharp","tile":16,"step":0.70405,"base":0.042458537966012955,
"symmetry":[]}},{"name":"half2","shape":[64,64,64],"mode":2,"byte_order":"<","streams":[{"name":
"mrc","length":11},{"name":"latents","length":10656}],"background":0.04748373478651047,
"density_scale":1.0,"contrast_limits":[-1.2794915802078322,9.222895798855461],
"original_checksum":"a7e6d38f4f3cb7af","decoded_checksum":"77aec1fc2ead7977","contour":
2.1877793058520183,"quality":{"voxels":262144,"above_contour":262144,"nrmse":0.09686,
"correlation":0.9953,"max_error":0.5480758547782898,"within_20_percent":0.5377,
"mean_relative_error":1.821,"bands":[{"low":0.0,"high":0.05,"voxels":168734,"within_20_percent":
0.3562,"mean_relative_error":2.774},{"low":0.05,"high":0.1,"voxels":67013,"within_20_percent":
0.8188,"mean_relative_error":0.1197},{"low":0.1,"high":0.2,"voxels":14281,"within_20_percent":
0.9719,"mean_relative_error":0.06973},{"low":0.2,"high":0.4,"voxels":7343,"within_20_percent":
1.0,"mean_relative_error":0.02795},{"low":0.4,"high":0.6,"voxels":3666,"within_20_percent":1.0,
"mean_relative_error":0.0169},{"low":0.6,"high":0.8,"voxels":948,"within_20_percent":1.0,
"mean_relative_error":0.01285},{"low":0.8,"high":1.0,"voxels":159,"within_20_percent":1.0,
"mean_relative_error":0.01072}],"iou":[0.975,0.9756,0.9708],"level":2.1877793058520183,"nyquist"
:4.0,"psnr":42.05,"fsc_099":7.287,"fsc_05":6.002,"fsc_step":0.007812},"field":{"edition":1,
"block":8,"shape":"sharp","tile":16,"step":0.64209,"base":0.04748373478651047,"symmetry":[],
"reference":0}}]}

{"package":"0.2.0","settings":{},"model":{"name":"field","streams":[]},"members":[{"name":
"postprocess_masked","shape":[64,64,64],"mode":2,"byte_order":"<","streams":[{"name":"mrc",
"length":11},{"name":"latents","length":3110}],"background":0.010271849110722542,"density_scale"
:1.0,"contrast_limits":[0.010271849110722542,9.203261673872476],"original_checksum":
"f571c6ea048949e2","decoded_checksum":"05726db1665d0d1f","threshold":2.1867098808288574,
"contour":2.1867098808288574,"quality":{"voxels":262144,"above_contour":12358,"nrmse":0.0494,
"correlation":0.9988,"max_error":1.2856664657592773,"within_20_percent":0.9994,
"mean_relative_error":0.01611,"bands":[{"low":0.1,"high":0.2,"voxels":297,"within_20_percent":
0.9966,"mean_relative_error":0.04077},{"low":0.2,"high":0.4,"voxels":7374,"within_20_percent":
0.9992,"mean_relative_error":0.01969},{"low":0.4,"high":0.6,"voxels":3603,"within_20_percent":
1.0,"mean_relative_error":0.009616},{"low":0.6,"high":0.8,"voxels":938,"within_20_percent":1.0,
"mean_relative_error":0.006792},{"low":0.8,"high":1.0,"voxels":146,"within_20_percent":1.0,
"mean_relative_error":0.005901}],"iou":[0.9295,0.9608,0.9766],"level":2.1867098808288574,
"nyquist":4.0,"psnr":25.75,"contour":2.1867098808288574,"fsc_099":111.2,"fsc_05":10.51,
"fsc_step":0.007812},"field":{"edition":1,"block":10,"shape":"sharp","tile":12,"step":0.41288,
"base":0.010271849110722542,"symmetry":[]}}]}

{"package":"0.2.0","settings":{"threshold":"none","target_psnr":45.0},"model":{"name":"field",
"streams":[]},"members":[{"name":"run_class001","shape":[72,72,72],"mode":2,"byte_order":"<",
"streams":[{"name":"mrc","length":9},{"name":"latents","length":5101}],"background":
0.011104762554168701,"density_scale":1.0,"contrast_limits":[-0.3760577258944977,
6.340945664880564],"original_checksum":"a53cdec453b7b3ac","decoded_checksum":"ac57efbe485ea5e3",
"contour":1.798684141394915,"quality":{"voxels":373248,"above_contour":373248,"nrmse":0.05337,
"correlation":0.9986,"max_error":0.3074350357055664,"within_20_percent":0.4356,
"mean_relative_error":2.589,"bands":[{"low":0.0,"high":0.05,"voxels":337756,"within_20_percent":
0.3788,"mean_relative_error":2.857},{"low":0.05,"high":0.1,"voxels":8424,"within_20_percent":
0.8974,"mean_relative_error":0.09666},{"low":0.1,"high":0.2,"voxels":4676,"within_20_percent":
1.0,"mean_relative_error":0.03821},{"low":0.2,"high":0.4,"voxels":9464,"within_20_percent":1.0,
"mean_relative_error":0.02004},{"low":0.4,"high":0.6,"voxels":9464,"within_20_percent":1.0,
"mean_relative_error":0.0124},{"low":0.6,"high":0.8,"voxels":3224,"within_20_percent":1.0,
"mean_relative_error":0.008896},{"low":0.8,"high":1.0,"voxels":240,"within_20_percent":1.0,
"mean_relative_error":0.008691}],"iou":[0.9878,0.9894,0.9869],"level":1.798684141394915,
"nyquist":4.0,"psnr":45.07,"fsc_099":10.25,"fsc_05":5.988,"fsc_step":0.006944},"field":{
"edition":1,"block":12,"shape":"sharp","tile":10,"step":0.33117,"base":0.011104762554168701,
"symmetry":[1,0,71,71,2,71,0,71]}}]}

{"package":"0.2.0","settings":{"threshold":"none","target_psnr":45.0},"model":{"name":"field",
"streams":[]},"members":[{"name":"postprocess_masked","shape":[64,64,64],"mode":2,"byte_order":
"<","streams":[{"name":"mrc","length":11},{"name":"latents","length":23032}],"background":
0.042458537966012955,"density_scale":1.0,"contrast_limits":[-1.1806272583053214,
9.203261673872476],"original_checksum":"f571c6ea048949e2","decoded_checksum":"3f22239e84a59daf",
"contour":2.1867099360533757,"quality":{"voxels":262144,"above_contour":262144,"nrmse":0.06878,
"correlation":0.9976,"max_error":0.46833425760269165,"within_20_percent":0.6225,
"mean_relative_error":0.9191,"bands":[{"low":0.0,"high":0.05,"voxels":179761,"within_20_percent"
:0.4707,"mean_relative_error":1.309},{"low":0.05,"high":0.1,"voxels":59925,"within_20_percent":
0.9367,"mean_relative_error":0.08351},{"low":0.1,"high":0.2,"voxels":10396,"within_20_percent":
0.9983,"mean_relative_error":0.04595},{"low":0.2,"high":0.4,"voxels":7375,"within_20_percent":
1.0,"mean_relative_error":0.01966},{"low":0.4,"high":0.6,"voxels":3603,"within_20_percent":1.0,
"mean_relative_error":0.01189},{"low":0.6,"high":0.8,"voxels":938,"within_20_percent":1.0,
"mean_relative_error":0.00867},{"low":0.8,"high":1.0,"voxels":146,"within_20_percent":1.0,
"mean_relative_error":0.007521}],"iou":[0.9826,0.9839,0.9816],"level":2.1867099360533757,
"nyquist":4.0,"psnr":45.1,"fsc_099":6.729,"fsc_05":5.849,"fsc_step":0.007812},"field":{"edition"
:1,"block":8,"shape":"sharp","tile":16,"step":0.47679,"base":0.042458537966012955,"symmetry":[]}
}]}

{"package":"0.2.0","settings":{"threshold":4.188886642456055,"target_nrmse":0.06},"model":{
"name":"field","streams":[]},"members":[{"name":"emd_20305","shape":[72,72,72],"mode":2,
"byte_order":"<","streams":[{"name":"mrc","length":9},{"name":"latents","length":3142}],
"background":0.01459741685539484,"density_scale":1.0,"contrast_limits":[0.01459741685539484,
9.637292757659452],"original_checksum":"1ad9e698f7219765","decoded_checksum":"3aed4a5729fd5f56",
"threshold":4.188886642456055,"contour":4.188886642456055,"quality":{"voxels":373248,
"above_contour":7825,"nrmse":0.05954,"correlation":0.9982,"max_error":1.2093546390533447,
"within_20_percent":0.9997,"mean_relative_error":0.01231,"bands":[{"low":0.2,"high":0.4,"voxels"
:5058,"within_20_percent":0.9996,"mean_relative_error":0.01473},{"low":0.4,"high":0.6,"voxels":
2476,"within_20_percent":1.0,"mean_relative_error":0.008259},{"low":0.6,"high":0.8,"voxels":254,
"within_20_percent":1.0,"mean_relative_error":0.005004},{"low":0.8,"high":1.0,"voxels":37,
"within_20_percent":1.0,"mean_relative_error":0.003582}],"iou":[0.8278,0.9201,0.9601],"level":
4.188886642456055,"nyquist":4.0,"psnr":29.28,"contour":4.188886642456055,"fsc_099":68.79,
"fsc_05":10.64,"fsc_step":0.006944},"field":{"edition":1,"block":8,"shape":"sharp","tile":16,
"step":0.39811,"base":0.01459741685539484,"symmetry":[]}}]}

{"package":"0.2.0","settings":{"threshold":0.05,"target_nrmse":0.05},"model":{"name":"field",
"streams":[]},"members":[{"name":"run_class001","shape":[72,72,72],"mode":2,"byte_order":"<",
"streams":[{"name":"mrc","length":9},{"name":"latents","length":3495}],"background":
-0.08224031329154968,"density_scale":1.0,"contrast_limits":[-0.08224031329154968,
6.340945664880564],"original_checksum":"a53cdec453b7b3ac","decoded_checksum":"20db262d7662fe7f",
"threshold":0.05000000074505806,"contour":0.05000000074505806,"quality":{"voxels":373248,
"above_contour":154420,"nrmse":0.0497,"correlation":0.9989,"max_error":0.4376005679368973,
"within_20_percent":0.4992,"mean_relative_error":0.3008,"bands":[{"low":0.0,"high":0.05,"voxels"
:121776,"within_20_percent":0.3755,"mean_relative_error":0.3707},{"low":0.05,"high":0.1,"voxels"
:5576,"within_20_percent":0.7733,"mean_relative_error":0.1306},{"low":0.1,"high":0.2,"voxels":
4676,"within_20_percent":0.9974,"mean_relative_error":0.0413},{"low":0.2,"high":0.4,"voxels":
9464,"within_20_percent":1.0,"mean_relative_error":0.02267},{"low":0.4,"high":0.6,"voxels":9464,
"within_20_percent":1.0,"mean_relative_error":0.01376},{"low":0.6,"high":0.8,"voxels":3224,
"within_20_percent":1.0,"mean_relative_error":0.0116},{"low":0.8,"high":1.0,"voxels":240,
"within_20_percent":1.0,"mean_relative_error":0.009689}],"iou":[0.6695,0.6709,0.6728],"level":
0.05000000074505806,"nyquist":4.0,"psnr":37.51,"contour":0.05000000074505806,"fsc_099":18.55,
"fsc_05":6.244,"fsc_step":0.006944},"field":{"edition":1,"block":12,"shape":"sharp","tile":10,
"step":0.41084,"base":-0.08224031329154968,"symmetry":[1,0,71,71,2,71,0,71]}}]}
"""

_MRC_HEADERS = r"""
{"order":"<","nx":84,"ny":84,"nz":84,"mode":2,"nxstart":0,"nystart":0,"nzstart":0,"mx":84,"my":
84,"mz":84,"cell_x":88.19999694824219,"cell_y":88.19999694824219,"cell_z":88.19999694824219,
"alpha":90.0,"beta":90.0,"gamma":90.0,"mapc":1,"mapr":2,"maps":3,"dmin":-0.0312543548643589,
"dmax":0.0716182291507721,"dmean":0.00021451132488436997,"ispg":1,"nsymbt":0,"extra_1":0,
"extra_2":0,"exttyp":0,"nversion":0,"extra_3":0,"extra_4":0,"extra_5":0,"extra_6":0,"extra_7":0,
"extra_8":0,"extra_9":0,"extra_10":0,"extra_11":0,"extra_12":0,"extra_13":0,"extra_14":0,
"extra_15":0,"extra_16":0,"extra_17":0,"extra_18":0,"extra_19":0,"extra_20":0,"extra_21":0,
"extra_22":0,"extra_23":0,"origin_x":0.0,"origin_y":0.0,"origin_z":0.0,"map":542130509,"machst":
16708,"rms":0.006412831600755453,"nlabl":1,"pads":[32,32,32,32,32,32,32,32,32,32],"labels":[
"::::EMDATABANK.org::::EMD-20305::::","","","","","","","","",""]}

{"order":"<","nx":320,"ny":320,"nz":320,"mode":2,"nxstart":0,"nystart":0,"nzstart":0,"mx":320,
"my":320,"mz":320,"cell_x":263.0400085449219,"cell_y":263.0400085449219,"cell_z":
263.0400085449219,"alpha":90.0,"beta":90.0,"gamma":90.0,"mapc":1,"mapr":2,"maps":3,"dmin":
-1.1924570798873901,"dmax":2.4413862228393555,"dmean":0.0009312771144323051,"ispg":1,"nsymbt":0,
"extra_1":0,"extra_2":0,"exttyp":0,"nversion":0,"extra_3":0,"extra_4":0,"extra_5":0,"extra_6":0,
"extra_7":0,"extra_8":0,"extra_9":0,"extra_10":0,"extra_11":0,"extra_12":0,"extra_13":0,
"extra_14":0,"extra_15":0,"extra_16":0,"extra_17":0,"extra_18":0,"extra_19":0,"extra_20":0,
"extra_21":0,"extra_22":0,"extra_23":0,"origin_x":0.0,"origin_y":0.0,"origin_z":0.0,"map":
542130509,"machst":538984772,"rms":0.05341261252760887,"nlabl":1,"pads":[32,32,32,32,32,32,32,32
,32,32],"labels":["::::EMDATABANK.org::::EMD-11638::::","","","","","","","","",""]}

{"order":"<","nx":128,"ny":128,"nz":128,"mode":2,"nxstart":-64,"nystart":-64,"nzstart":-64,"mx":
128,"my":128,"mz":128,"cell_x":435.20001220703125,"cell_y":435.20001220703125,"cell_z":
435.20001220703125,"alpha":90.0,"beta":90.0,"gamma":90.0,"mapc":1,"mapr":2,"maps":3,"dmin":
-3.9134457111358643,"dmax":12.771095275878906,"dmean":-2.1034556318966224e-09,"ispg":1,"nsymbt":
0,"extra_1":0,"extra_2":0,"exttyp":0,"nversion":0,"extra_3":0,"extra_4":0,"extra_5":0,"extra_6":
0,"extra_7":0,"extra_8":0,"extra_9":0,"extra_10":0,"extra_11":0,"extra_12":0,"extra_13":0,
"extra_14":0,"extra_15":0,"extra_16":0,"extra_17":0,"extra_18":0,"extra_19":0,"extra_20":0,
"extra_21":0,"extra_22":0,"extra_23":0,"origin_x":0.0,"origin_y":0.0,"origin_z":0.0,"map":
542130509,"machst":16708,"rms":0.9999985694885254,"nlabl":1,"pads":[32,32,32,32,32,32,32,32,32,
32],"labels":["::::EMDATABANK.org::::EMD-8117::::","","","","","","","","",""]}

{"order":"<","nx":120,"ny":96,"nz":88,"mode":2,"nxstart":0,"nystart":0,"nzstart":0,"mx":120,"my"
:96,"mz":88,"cell_x":160.8000030517578,"cell_y":128.63999938964844,"cell_z":117.92,"alpha":90.0,
"beta":90.0,"gamma":90.0,"mapc":1,"mapr":2,"maps":3,"dmin":-0.7210343480110168,"dmax":
1.9134511947631836,"dmean":0.011234280653297901,"ispg":0,"nsymbt":0,"extra_1":0,"extra_2":0,
"exttyp":0,"nversion":0,"extra_3":0,"extra_4":0,"extra_5":0,"extra_6":0,"extra_7":0,"extra_8":0,
"extra_9":0,"extra_10":0,"extra_11":0,"extra_12":0,"extra_13":0,"extra_14":0,"extra_15":0,
"extra_16":0,"extra_17":0,"extra_18":0,"extra_19":0,"extra_20":0,"extra_21":0,"extra_22":0,
"extra_23":0,"origin_x":52.400001525878906,"origin_y":31.25,"origin_z":80.4000015258789,"map":
542130509,"machst":16708,"rms":0.0,"nlabl":1,"pads":[0,0,0,0,0,0,0,0,0,0],"labels":[
"UCSF ChimeraX 1.7.1 Tue Oct 17 21:04:33 2023","","","","","","","","",""]}

{"order":"<","nx":160,"ny":160,"nz":160,"mode":2,"nxstart":0,"nystart":0,"nzstart":0,"mx":160,
"my":160,"mz":160,"cell_x":283.20001220703125,"cell_y":283.20001220703125,"cell_z":
283.20001220703125,"alpha":90.0,"beta":90.0,"gamma":90.0,"mapc":1,"mapr":2,"maps":3,"dmin":
-0.08244134485721588,"dmax":0.3120034337043762,"dmean":-3.128434036625549e-05,"ispg":0,"nsymbt":
0,"extra_1":0,"extra_2":0,"exttyp":0,"nversion":0,"extra_3":0,"extra_4":0,"extra_5":0,"extra_6":
0,"extra_7":0,"extra_8":0,"extra_9":0,"extra_10":0,"extra_11":0,"extra_12":0,"extra_13":0,
"extra_14":0,"extra_15":0,"extra_16":0,"extra_17":0,"extra_18":0,"extra_19":0,"extra_20":0,
"extra_21":0,"extra_22":0,"extra_23":0,"origin_x":0.0,"origin_y":0.0,"origin_z":0.0,"map":
542130509,"machst":16708,"rms":0.021445173770189285,"nlabl":1,"pads":[0,0,0,0,0,0,0,0,0,0],
"labels":["Relion    14-Feb-22  09:31:07","","","","","","","","",""]}

{"order":"<","nx":256,"ny":256,"nz":256,"mode":2,"nxstart":0,"nystart":0,"nzstart":0,"mx":256,
"my":256,"mz":256,"cell_x":166.39999389648438,"cell_y":166.39999389648438,"cell_z":
166.39999389648438,"alpha":90.0,"beta":90.0,"gamma":90.0,"mapc":1,"mapr":2,"maps":3,"dmin":
-1.4478123188018799,"dmax":3.12300443649292,"dmean":0.0031245220452547073,"ispg":0,"nsymbt":0,
"extra_1":0,"extra_2":0,"exttyp":0,"nversion":0,"extra_3":0,"extra_4":0,"extra_5":0,"extra_6":0,
"extra_7":0,"extra_8":0,"extra_9":0,"extra_10":0,"extra_11":0,"extra_12":0,"extra_13":0,
"extra_14":0,"extra_15":0,"extra_16":0,"extra_17":0,"extra_18":0,"extra_19":0,"extra_20":0,
"extra_21":0,"extra_22":0,"extra_23":0,"origin_x":0.0,"origin_y":0.0,"origin_z":0.0,"map":
542130509,"machst":16708,"rms":0.1244783103466034,"nlabl":0,"pads":[0,0,0,0,0,0,0,0,0,0],
"labels":["","","","","","","","","",""]}

{"order":"<","nx":76,"ny":64,"nz":92,"mode":1,"nxstart":0,"nystart":0,"nzstart":0,"mx":76,"my":
64,"mz":92,"cell_x":159.60000610351562,"cell_y":134.39999389648438,"cell_z":193.1999969482422,
"alpha":90.0,"beta":90.0,"gamma":90.0,"mapc":1,"mapr":2,"maps":3,"dmin":0.0,"dmax":255.0,"dmean"
:97.12345123291016,"ispg":1,"nsymbt":0,"extra_1":0,"extra_2":0,"exttyp":0,"nversion":20141,
"extra_3":0,"extra_4":0,"extra_5":0,"extra_6":0,"extra_7":0,"extra_8":0,"extra_9":0,"extra_10":0
,"extra_11":0,"extra_12":0,"extra_13":0,"extra_14":0,"extra_15":0,"extra_16":0,"extra_17":0,
"extra_18":0,"extra_19":0,"extra_20":0,"extra_21":0,"extra_22":0,"extra_23":0,"origin_x":0.0,
"origin_y":0.0,"origin_z":0.0,"map":542130509,"machst":17476,"rms":31.20452308654785,"nlabl":1,
"pads":[32,0,0,0,0,0,0,0,0,0],"labels":[
"Created by mrcfile.py                                       2024-03-05 14:12:45","","","","",""
,"","","",""]}

{"order":"<","nx":200,"ny":200,"nz":200,"mode":2,"nxstart":-100,"nystart":-100,"nzstart":-100,
"mx":199,"my":199,"mz":199,"cell_x":238.8000030517578,"cell_y":238.8000030517578,"cell_z":
238.8000030517578,"alpha":90.0,"beta":90.0,"gamma":90.0,"mapc":1,"mapr":2,"maps":3,"dmin":
-0.4123455286026001,"dmax":1.2310456037521362,"dmean":0.002123485319316387,"ispg":1,"nsymbt":0,
"extra_1":0,"extra_2":0,"exttyp":0,"nversion":0,"extra_3":0,"extra_4":0,"extra_5":0,"extra_6":0,
"extra_7":0,"extra_8":0,"extra_9":0,"extra_10":0,"extra_11":0,"extra_12":0,"extra_13":0,
"extra_14":0,"extra_15":0,"extra_16":0,"extra_17":0,"extra_18":0,"extra_19":0,"extra_20":0,
"extra_21":0,"extra_22":0,"extra_23":0,"origin_x":0.0,"origin_y":0.0,"origin_z":0.0,"map":
542130509,"machst":16708,"rms":0.04671234264969826,"nlabl":2,"pads":[0,32,0,0,0,0,0,0,0,0],
"labels":["::::EMDATABANK.org::::EMD-4032:::: // Created by IMAGIC: CCP4 image = volume-7.1",
"A  12-05-19 10:47:21 //","","","","","","","",""]}

{"order":"<","nx":65,"ny":71,"nz":59,"mode":2,"nxstart":0,"nystart":0,"nzstart":0,"mx":65,"my":
71,"mz":59,"cell_x":68.9000015258789,"cell_y":75.26000213623047,"cell_z":62.540000915527344,
"alpha":90.0,"beta":90.0,"gamma":90.0,"mapc":3,"mapr":2,"maps":1,"dmin":-0.32145124673843384,
"dmax":0.8712345361709595,"dmean":0.030128534883260727,"ispg":1,"nsymbt":0,"extra_1":0,"extra_2"
:0,"exttyp":0,"nversion":20140,"extra_3":0,"extra_4":0,"extra_5":0,"extra_6":0,"extra_7":0,
"extra_8":0,"extra_9":0,"extra_10":0,"extra_11":0,"extra_12":0,"extra_13":0,"extra_14":0,
"extra_15":0,"extra_16":0,"extra_17":0,"extra_18":0,"extra_19":0,"extra_20":0,"extra_21":0,
"extra_22":0,"extra_23":0,"origin_x":0.0,"origin_y":0.0,"origin_z":0.0,"map":542130509,"machst":
17476,"rms":0.07214853167533875,"nlabl":2,"pads":[0,0,0,0,0,0,0,0,0,0],"labels":[
"map_box on emd_9021.map Thu Jan 16 11:20:05 2020","::::EMDATABANK.org::::EMD-9021::::","","",""
,"","","","",""]}

{"order":"<","nx":96,"ny":96,"nz":96,"mode":2,"nxstart":0,"nystart":0,"nzstart":0,"mx":96,"my":
96,"mz":96,"cell_x":144.0,"cell_y":144.0,"cell_z":144.0,"alpha":90.0,"beta":90.0,"gamma":90.0,
"mapc":1,"mapr":2,"maps":3,"dmin":-0.21345125138759613,"dmax":0.9123845100402832,"dmean":
0.004128532484173775,"ispg":1,"nsymbt":0,"extra_1":0,"extra_2":0,"exttyp":0,"nversion":20141,
"extra_3":0,"extra_4":0,"extra_5":0,"extra_6":0,"extra_7":0,"extra_8":0,"extra_9":0,"extra_10":0
,"extra_11":0,"extra_12":0,"extra_13":0,"extra_14":0,"extra_15":0,"extra_16":0,"extra_17":0,
"extra_18":0,"extra_19":0,"extra_20":0,"extra_21":0,"extra_22":0,"extra_23":0,"origin_x":0.0,
"origin_y":0.0,"origin_z":0.0,"map":542130509,"machst":17476,"rms":0.05124853,"nlabl":1,"pads":[
0,0,0,0,0,0,0,0,0,0],"labels":[
"napari-cryoinr 0.1.0: decoded from .cinr, NRMSE 0.0812 PSNR 41.2 dB","","","","","","","","",""
]}

{"order":"<","nx":64,"ny":64,"nz":64,"mode":2,"nxstart":0,"nystart":0,"nzstart":0,"mx":64,"my":
64,"mz":64,"cell_x":128.0,"cell_y":128.0,"cell_z":128.0,"alpha":90.0,"beta":90.0,"gamma":90.0,
"mapc":1,"mapr":2,"maps":3,"dmin":0.0,"dmax":0.0,"dmean":0.0,"ispg":1,"nsymbt":0,"extra_1":0,
"extra_2":0,"exttyp":0,"nversion":20141,"extra_3":0,"extra_4":0,"extra_5":0,"extra_6":0,
"extra_7":0,"extra_8":0,"extra_9":0,"extra_10":0,"extra_11":0,"extra_12":0,"extra_13":0,
"extra_14":0,"extra_15":0,"extra_16":0,"extra_17":0,"extra_18":0,"extra_19":0,"extra_20":0,
"extra_21":0,"extra_22":0,"extra_23":0,"origin_x":0.0,"origin_y":0.0,"origin_z":0.0,"map":
542130509,"machst":17476,"rms":0.0,"nlabl":0,"pads":[0,0,0,0,0,0,0,0,0,0],"labels":["","","","",
"","","","","",""]}

{"order":"<","nx":48,"ny":56,"nz":40,"mode":2,"nxstart":0,"nystart":0,"nzstart":0,"mx":48,"my":
56,"mz":40,"cell_x":192.0,"cell_y":224.0,"cell_z":160.0,"alpha":90.0,"beta":90.0,"gamma":90.0,
"mapc":1,"mapr":2,"maps":3,"dmin":-0.04123412445187569,"dmax":0.1023845300078392,"dmean":
0.001228533,"ispg":0,"nsymbt":0,"extra_1":0,"extra_2":0,"exttyp":0,"nversion":0,"extra_3":0,
"extra_4":0,"extra_5":0,"extra_6":0,"extra_7":0,"extra_8":0,"extra_9":0,"extra_10":0,"extra_11":
0,"extra_12":0,"extra_13":0,"extra_14":0,"extra_15":0,"extra_16":0,"extra_17":0,"extra_18":0,
"extra_19":0,"extra_20":0,"extra_21":0,"extra_22":0,"extra_23":0,"origin_x":0.0,"origin_y":0.0,
"origin_z":0.0,"map":542130509,"machst":16708,"rms":0.0112485121935606,"nlabl":1,"pads":[0,0,0,0
,0,0,0,0,0,0],"labels":["Chimera 1.15_b42258 Mon Aug 21 08:55:12 2017","","","","","","","","",
""]}

{"order":"<","nx":100,"ny":110,"nz":90,"mode":2,"nxstart":0,"nystart":0,"nzstart":0,"mx":100,
"my":110,"mz":90,"cell_x":110.0,"cell_y":121.0,"cell_z":99.0,"alpha":90.0,"beta":90.0,"gamma":
90.0,"mapc":1,"mapr":2,"maps":3,"dmin":-6.1304121017456055,"dmax":14.223844528198242,"dmean":
0.012285133823752403,"ispg":1,"nsymbt":0,"extra_1":0,"extra_2":0,"exttyp":0,"nversion":20140,
"extra_3":0,"extra_4":0,"extra_5":0,"extra_6":0,"extra_7":0,"extra_8":0,"extra_9":0,"extra_10":0
,"extra_11":0,"extra_12":0,"extra_13":0,"extra_14":0,"extra_15":0,"extra_16":0,"extra_17":0,
"extra_18":0,"extra_19":0,"extra_20":0,"extra_21":0,"extra_22":0,"extra_23":0,"origin_x":0.0,
"origin_y":0.0,"origin_z":0.0,"map":542130509,"machst":16708,"rms":1.0112484693527222,"nlabl":1,
"pads":[32,32,32,32,32,32,32,32,32,32],"labels":["::::EMDATABANK.org::::EMD-31072::::","","","",
"","","","","",""]}
"""


@cache
def header_examples() -> tuple[Any, ...]:
    """Examples for `archive.header.ArchiveHeader`."""
    return tuple(json.loads(text) for text in _HEADERS.split("\n\n"))


@cache
def mrc_examples() -> tuple[Any, ...]:
    """Examples for `mrc_packing`."""
    return tuple(json.loads(text) for text in _MRC_HEADERS.split("\n\n"))
